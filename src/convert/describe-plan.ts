/** A plan in words, for a person to agree to. */
import { resolve } from 'node:path';
import { codecById } from '../codecs/registry.ts';
import type { GuestPlan } from '../model/guest-plan.ts';
import { optionsInWords } from '../model/options.ts';
import { partSizeInWords } from '../model/part-size.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { arrangeInWords } from './arrange/wish.ts';
import { hardwareInWords } from './check-plan.ts';
import { keepInWords } from './keep-when.ts';
import { diskFileNames, isFolder, packageFileName } from './make-plan.ts';
import { productById } from './products.ts';
import { warmInWords } from './warm-when.ts';
import { isSealed } from './wrapped-output.ts';

/**
 * `place` and `origin`: the names of the destination and of the source, where they are no folders. `usual`: settings of
 * the destination that go without saying.
 */
export function describePlan(
  plan: Plan,
  place = plan.destination.environment,
  origin = plan.source.environment,
  usual: Plan['destination']['settings'] = {},
): string[] {
  const { machine, destination, source } = plan;
  const names = diskFileNames(plan);
  const target = packageFileName(plan);
  const folder = destination.settings.folder ?? '.';
  const lines = [
    `Machine ${machine.name}, from ${source.environment === 'local' ? '' : `${origin}, `}${source.machine}`,
    `for ${productById(destination.product).label}: ${hardwareInWords(plan)}`,
    isFolder(plan)
      ? `into ${folderInWords(folder)}${target === undefined ? '' : ` as ${target}`}`
      : `into ${place}${settingsInWords(destination.settings, usual)}${target === undefined ? '' : ` as ${target}`}`,
  ];
  for (const [i, disk] of machine.disks.entries()) {
    lines.push(`  ${disk.name}${from(disk.format)}${size(disk.virtualSizeBytes)} becomes ${names[i]}`);
  }
  if (plan.arrange !== undefined) lines.push(`  ${arrangeInWords(plan.arrange)}`);
  const { window, partition, snapshot, table } = source;
  if (snapshot !== undefined) lines.push(`  of it the snapshot ${snapshot}`);
  if (window !== undefined) {
    lines.push(`  of it only ${window.length} bytes from byte ${window.offset} on`);
  }
  if (partition !== undefined) lines.push(`  of it only partition ${partition}`);
  if (table !== undefined)
    lines.push(`  with a partition table (${table.toUpperCase()}) around it, where it has none`);
  const codec = codecById(destination.format);
  const options = optionsInWords(codec.encoder?.options ?? [], destination.options);
  lines.push(`as ${codec.label}${options === '' ? '' : `: ${options}`}`);
  if (names.some(isSealed)) {
    lines.push(`encrypted with age, for ${destination.recipients?.join(', ') ?? 'a passphrase'}`);
  }
  if (destination.backing !== undefined) lines.push(`only what differs from ${destination.backing}`);
  if (destination.splitBytes !== undefined)
    lines.push(`in parts of ${partSizeInWords(destination.splitBytes)}, with a list of them`);
  if (plan.force) lines.push(`replacing ${isFolder(plan) ? 'files' : 'what is there'} of the same name`);
  if (plan.sync) lines.push('flushed to the medium at the end');
  if (plan.verify) lines.push('read back at the end, and compared with what was read');
  if (plan.sums) lines.push('with SHA256SUMS beside it');
  if (plan.warm !== undefined) lines.push(warmInWords(plan.warm));
  if (plan.guest !== undefined) lines.push(guestInWords(plan.guest));
  if (plan.keep !== undefined) lines.push(keepInWords(plan.keep));
  if (plan.start) lines.push('started when it is there');
  return lines;
}

function guestInWords({ changes, undo, engine, add = {} }: GuestPlan): string {
  if (undo !== undefined) return `without what the conversion ${undo} changed inside`;
  const added = Object.keys(add).length === 0 ? '' : ', with additions';
  const by =
    engine === undefined ? '' : `, written by ${engine === 'builtin' ? 'the built-in engine' : engine}`;
  return changes === 'needed'
    ? `inside the guest is changed what it needs there${added}${by}`
    : `the guest as it is${added}${added === '' ? '' : by}`;
}

function settingsInWords(
  settings: Plan['destination']['settings'],
  usual: Plan['destination']['settings'],
): string {
  const told = Object.entries(settings).filter(([key, value]) => value !== '' && value !== usual[key]);
  return told.length === 0 ? '' : ` (${told.map(([key, value]) => `${key} ${value}`).join(', ')})`;
}

const from = (format: string | undefined): string => (format === undefined ? '' : ` (${format})`);
const size = (bytes: number | undefined): string => (bytes === undefined ? '' : `, ${formatBytes(bytes)},`);

const folderInWords = (folder: string): string =>
  folder === '.' ? `the current folder, ${resolve(folder)}` : folder;
