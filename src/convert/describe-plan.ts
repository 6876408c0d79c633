/** A plan in words, for a person to agree to. */
import { resolve } from 'node:path';
import { codecById } from '../codecs/registry.ts';
import { optionsInWords } from '../model/options.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { hardwareInWords } from './check-plan.ts';
import { diskFileNames, packageFileName } from './make-plan.ts';
import { productById } from './products.ts';
import { isSealed } from './wrapped-output.ts';

export function describePlan(plan: Plan): string[] {
  const { machine, destination, source } = plan;
  const names = diskFileNames(plan);
  const target = packageFileName(plan);
  const folder = destination.settings.folder ?? '.';
  const lines = [
    `Machine ${machine.name}, from ${source.machine}`,
    `for ${productById(destination.product).label}: ${hardwareInWords(plan)}`,
    `into ${folderInWords(folder)}${target === undefined ? '' : ` as ${target}`}`,
  ];
  for (const [i, disk] of machine.disks.entries()) {
    lines.push(`  ${disk.name}${from(disk.format)}${size(disk.virtualSizeBytes)} becomes ${names[i]}`);
  }
  const { window, partition } = source;
  if (window !== undefined) {
    lines.push(`  of it only ${window.length} bytes from byte ${window.offset} on`);
  }
  if (partition !== undefined) lines.push(`  of it only partition ${partition}`);
  const codec = codecById(destination.format);
  const options = optionsInWords(codec.encoder?.options ?? [], destination.options);
  lines.push(`as ${codec.label}${options === '' ? '' : `: ${options}`}`);
  if (names.some(isSealed)) {
    lines.push(`encrypted with age, for ${destination.recipients?.join(', ') ?? 'a passphrase'}`);
  }
  if (plan.force) lines.push('replacing files of the same name');
  if (plan.sync) lines.push('flushed to the medium at the end');
  return lines;
}

const from = (format: string | undefined): string => (format === undefined ? '' : ` (${format})`);
const size = (bytes: number | undefined): string => (bytes === undefined ? '' : `, ${formatBytes(bytes)},`);

const folderInWords = (folder: string): string =>
  folder === '.' ? `the current folder, ${resolve(folder)}` : folder;
