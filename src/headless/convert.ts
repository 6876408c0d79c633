/** `convert`, `plan` and `run`. */
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { codecForExtension } from '../codecs/registry.ts';
import type { Composed } from '../compose.ts';
import { withoutWrappers } from '../io/wrappers/wrapper.ts';
import { AppError, failureError } from '../model/errors.ts';
import { worst } from '../model/finding.ts';
import type { Machine, Nic } from '../model/machine.ts';
import type { OptionValue } from '../model/options.ts';
import type { Container } from '../model/plan.ts';
import { MiB, parseBytes, TiB } from '../model/units.ts';
import type { Draft, MachineEdit, Planned } from '../state/state.ts';
import type { AwayOptions } from './away-options.ts';
import { carryOut } from './carry-out.ts';
import type { CommonOptions } from './common-options.ts';
import {
  connectDestination,
  type DestinationOptions,
  keyValues,
  type SourceOptions,
} from './environment-options.ts';
import { type GuestOptions, guestLines, guestOf, sshKeysOf, unknownChanges } from './guest-options.ts';
import { type KeepOptions, keepDraft } from './keep-options.ts';
import { findingLine, type Output, terminalOutput } from './output.ts';
import { arrangeOf, type PieceOptions, splitOf } from './piece-options.ts';
import { addImage, withDispatcher } from './session.ts';
import { proofOf, type VerifyOptions } from './verify-options.ts';
import { type WarmOptions, warmOf } from './warm-options.ts';

export interface ConvertOptions
  extends CommonOptions,
    SourceOptions,
    DestinationOptions,
    WarmOptions,
    KeepOptions,
    VerifyOptions,
    PieceOptions,
    AwayOptions,
    GuestOptions {
  readonly network?: readonly string[];
  readonly start?: boolean;
  readonly sample?: boolean;
  /** Several: each a destination of its own, from one reading of the source. */
  readonly to?: readonly string[];
  readonly format?: string;
  readonly package?: Container;
  readonly for?: string;
  readonly set?: readonly string[];
  readonly name?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly firmware?: 'bios' | 'uefi';
  readonly without?: readonly string[];
  readonly follow?: boolean;
  readonly from?: string;
  readonly snapshot?: string;
  readonly recipient?: readonly string[];
  readonly backing?: string;
  readonly window?: string;
  readonly partition?: string;
  readonly partitionTable?: string;
  readonly force?: boolean;
  readonly sync?: boolean;
  readonly dryRun?: boolean;
}

export async function convert(image: string | undefined, options: ConvertOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  return withDispatcher(options, async (composed) => {
    const planned = await plansFor(composed, image, options);
    tellFindings(planned, output, options.dryRun === true);
    tellUnknownChanges(planned, options, output);
    if (options.dryRun) {
      const { plans, findings, guests = {} } = planned;
      if (output.json) output.value({ type: 'plan', plans, findings, guests });
      else
        for (const line of [...planned.text, ...Object.values(guests).flatMap(guestLines)]) output.line(line);
      return worst(planned.findings) === 'blocker' ? 3 : 0;
    }
    refuseBlocked(planned);
    return carryOut(composed, planned.plans, options, output, planned.findings);
  });
}

export async function plan(image: string | undefined, options: ConvertOptions): Promise<number> {
  const output = terminalOutput({ json: false, quiet: options.quiet === true });
  return withDispatcher(options, async (composed) => {
    const planned = await plansFor(composed, image, options);
    tellFindings(planned, output, true);
    const { plans } = planned;
    process.stdout.write(`${JSON.stringify(plans.length === 1 ? plans[0] : plans, null, 2)}\n`);
    return worst(planned.findings) === 'blocker' ? 3 : 0;
  });
}

type ToOne = Omit<ConvertOptions, 'to'> & { readonly to?: string | undefined };

/** A plan for each destination. */
async function plansFor(
  composed: Composed,
  image: string | undefined,
  { to = [], ...options }: ConvertOptions,
): Promise<Planned> {
  const [first, ...others] = to;
  let planned = await planFor(composed, image, { ...options, to: first });
  for (const other of others) {
    const more = await replanned(composed, planned.plans[0]!.source.machine, { ...options, to: other });
    const known = new Set(planned.findings.map((finding) => JSON.stringify(finding)));
    const findings = more.findings.filter((finding) => !known.has(JSON.stringify(finding)));
    planned = {
      ...{ ...planned, plans: [...planned.plans, ...more.plans], text: [...planned.text, ...more.text] },
      findings: [...planned.findings, ...findings],
    };
  }
  return planned;
}

/** The same machine for another file or folder. */
async function replanned(composed: Composed, id: string, options: ToOne): Promise<Planned> {
  const { dispatcher } = composed;
  const nothing = { container: undefined, format: undefined, file: undefined };
  const change = { ...nothing, ...(await draftOf(options)) };
  await dispatcher.perform({ type: 'draft', change });
  const { file } = change;
  const name = options.name ?? (file === undefined ? undefined : plainName(file));
  await dispatcher.perform({ type: 'edit-machine', id, change: { name } });
  const { planned } = dispatcher.getState();
  if (planned.failure !== undefined) throw failureError(planned.failure);
  return planned;
}

/** The machine added, the draft filled from the options, the plan computed. @throws AppError `usage` … */
async function planFor(composed: Composed, image: string | undefined, options: ToOne): Promise<Planned> {
  const { dispatcher } = composed;
  const delivers = await connectDestination(composed, options);
  const { destination } = dispatcher.getState();
  const takesFiles = destination.status === 'connected' && destination.product === undefined;
  const warm = warmOf(options);
  const place = delivers ? deliveryDraft(options, takesFiles) : await draftOf(options);
  const keep = await keepDraft(composed, options);
  const change = {
    ...place,
    ...(warm === undefined ? {} : { warm }),
    ...keep,
    ...proofOf(options),
    ...splitOf(options),
  };
  await dispatcher.perform({ type: 'draft', change });
  const id = await addImage(composed, await imageOf(composed, image, options), options);
  const keys = sshKeysOf(options);
  await dispatcher.perform({ type: 'edit-machine', id, change: editOf(composed, id, options, change) });
  for (const { user, file } of keys) await dispatcher.perform({ type: 'add-ssh-keys', id, user, file });
  // Selected last, so that the plan is made once.
  await dispatcher.perform({ type: 'select', ids: [id] });
  const { planned } = dispatcher.getState();
  if (planned.failure !== undefined) throw failureError(planned.failure);
  return planned;
}

async function imageOf(composed: Composed, image: string | undefined, options: ToOne): Promise<string> {
  if (image !== undefined && options.sample)
    throw new AppError('usage', 'an image and --sample can not both be given');
  if (image !== undefined) return image;
  if (!options.sample) {
    throw new AppError('usage', 'what is to be converted is missing', {
      hint: 'name an image, or try --sample; see vmferry convert --help',
    });
  }
  const { sample } = composed.services.catalog;
  if (sample === undefined) throw new AppError('not-found', 'the sample machine is not installed');
  return sample;
}

type DraftChange = Partial<Omit<Draft, 'edits'>>;

/**
 * An environment takes plain disks of its own formats, under names that it makes itself; one that `takesFiles` also
 * packages, for any product.
 */
function deliveryDraft(options: ToOne, takesFiles: boolean): DraftChange {
  const refused = takesFiles
    ? (['to', 'recipient'] as const)
    : (['to', 'package', 'for', 'recipient'] as const);
  const taken = refused.find((key) => options[key] !== undefined);
  if (taken !== undefined) {
    throw new AppError(
      'usage',
      `--${taken} is for a folder here, and an environment is to take the machine`,
      {
        hint: `leave --${taken} out; the name is given with --name`,
      },
    );
  }
  return {
    options: optionValues(options.set ?? []),
    force: options.force === true,
    sync: options.sync === true,
    start: options.start === true,
    ...(options.for === undefined ? {} : { product: options.for }),
    ...(options.package === undefined ? {} : { container: options.package }),
    ...(options.format === undefined ? {} : { format: options.format }),
  };
}

/** Where to and as what. The extension of `--to` says the format unless it is said. */
async function draftOf(options: ToOne): Promise<DraftChange> {
  const to = options.to ?? (options.sample ? 'vmferry-sample.qcow2' : undefined);
  if (to === undefined) {
    throw new AppError('usage', 'where to is missing', {
      hint: 'say --to with a file or a folder, or --to-profile or --to-env for an environment',
    });
  }
  if (options.start) {
    throw new AppError('usage', 'nothing can be started in a folder', {
      hint: 'say with --to-profile or --to-env where the machine is to run, or leave --start out',
    });
  }
  const given: DraftChange = {
    product: options.for ?? 'files',
    options: optionValues(options.set ?? []),
    force: options.force === true,
    sync: options.sync === true,
    ...(options.recipient === undefined ? {} : { recipients: options.recipient }),
    ...(options.backing === undefined ? {} : { backing: resolve(options.backing) }),
  };
  const isFolder =
    to.endsWith('/') ||
    (await stat(to).then(
      (s) => s.isDirectory(),
      () => false,
    ));
  if (isFolder) return { ...given, folder: resolve(to), ...kindOf(options, undefined) };
  const extension = extname(withoutWrappers(to)).slice(1).toLowerCase();
  return { ...given, folder: dirname(resolve(to)), file: basename(to), ...kindOf(options, extension) };
}

function kindOf(options: ToOne, extension: string | undefined): { container?: Container; format?: string } {
  const container = options.package ?? (isPackage(extension) ? extension : undefined);
  if (isPackage(container)) {
    if (extension !== container && isFormatName(extension)) {
      throw new AppError(
        'usage',
        `the name ends with .${extension}, and the package is to be an ${container.toUpperCase()}`,
        {
          hint: `let it end with .${container}, or leave --package out`,
        },
      );
    }
    return { container, ...(options.format === undefined ? {} : { format: options.format }) };
  }
  const format = options.format ?? (extension === undefined ? undefined : codecForExtension(extension)?.id);
  if (format === undefined && extension !== undefined) {
    throw new AppError(
      'usage',
      `"${extension === '' ? 'no extension' : `.${extension}`}" doesn't say which format is wanted`,
      {
        hint: 'say it with --format, or name a folder with a "/" at its end',
      },
    );
  }
  // For a product the default container is its own; for a plain file it is the disk.
  const plain = options.for === undefined || format !== undefined ? { container: 'disks' as const } : {};
  return { ...plain, ...(format === undefined ? {} : { format }) };
}

const isPackage = (name: string | undefined): name is 'ova' | 'ovf' | 'xva' =>
  name === 'ova' || name === 'ovf' || name === 'xva';

const isFormatName = (extension: string | undefined): boolean =>
  extension !== undefined && (isPackage(extension) || codecForExtension(extension) !== undefined);

function optionValues(given: readonly string[]): Record<string, OptionValue> {
  return Object.fromEntries(keyValues('set', given));
}

function editOf(composed: Composed, id: string, options: ToOne, change: DraftChange): MachineEdit {
  const item = composed.dispatcher.getState().machines.items.find((i) => i.machine.id === id);
  const disks = item?.machine.disks ?? [];
  const leaveOut = (options.without ?? []).map((name) => {
    const disk = disks.find((d) => d.id === name || d.name === name);
    if (disk !== undefined) return disk.id;
    throw new AppError('usage', `there is no disk "${name}"`, {
      hint: `there are: ${disks.map((d) => d.name).join(', ')}`,
    });
  });
  const nics = nicsOf(composed, item?.machine, options.network);
  const guest = guestOf(options);
  const arrange = arrangeOf(options);
  const name = options.name ?? (change.file === undefined ? undefined : plainName(change.file));
  const cpus = options.cpus === undefined ? undefined : Number(options.cpus);
  if (cpus !== undefined && (!Number.isInteger(cpus) || cpus < 1 || cpus > 1024)) {
    throw new AppError('usage', `--cpus ${options.cpus}: it takes a whole number from 1 to 1024`);
  }
  const memoryBytes = options.memory === undefined ? undefined : parseBytes(options.memory);
  if (memoryBytes !== undefined && (memoryBytes < MiB || memoryBytes > 64 * TiB)) {
    throw new AppError('usage', `--memory ${options.memory}: it takes 1M to 64T`);
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(cpus === undefined ? {} : { processors: cpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(options.firmware === undefined ? {} : { firmware: { kind: options.firmware } }),
    ...(leaveOut.length === 0 ? {} : { leaveOut }),
    ...(nics === undefined ? {} : { nics }),
    ...(options.diskBus === undefined ? {} : { diskBus: options.diskBus }),
    ...(options.nicModel === undefined ? {} : { nicModel: options.nicModel }),
    ...(guest === undefined ? {} : { guest }),
    ...(arrange === undefined ? {} : { arrange }),
  };
}

/** The adapters with the networks as `--network FROM=TO` says, `*` being all; undefined when it says nothing. */
export function nicsOf(
  { dispatcher }: Composed,
  machine: Machine | undefined,
  given: readonly string[] | undefined,
): readonly Nic[] | undefined {
  if (given === undefined) return undefined;
  const { destination } = dispatcher.getState();
  const there = destination.status === 'connected' ? destination.networks : undefined;
  const own = machine?.nics ?? [];
  let nics = own;
  for (const [from, to] of keyValues('network', given)) {
    if (there !== undefined && !there.includes(to)) {
      throw new AppError('usage', `--network ${from}=${to}: there is no network "${to}" at the destination`, {
        hint: there.length === 0 ? 'it has none' : `there are: ${there.join(', ')}`,
      });
    }
    if (from !== '*' && !own.some((nic) => nic.network === from)) {
      const known = [...new Set(own.flatMap((nic) => nic.network ?? []))].join(', ');
      throw new AppError('usage', `--network ${from}=${to}: no adapter is joined to "${from}"`, {
        hint: known === '' ? 'for all adapters say "*=NETWORK"' : `they are joined to: ${known}`,
      });
    }
    // An image says nothing of adapters: the machine gets one.
    if (own.length === 0) nics = [{ network: to, connected: true }];
    nics = nics.map((nic, i) => (from === '*' || own[i]?.network === from ? { ...nic, network: to } : nic));
  }
  return nics;
}

/** Without the extension, also that of packing: `disk` for `disk.raw.gz`. */
function plainName(file: string): string {
  const inner = withoutWrappers(file);
  return basename(inner, extname(inner));
}

/** Blockers only where they are not the error that ends the command. */
function tellFindings(planned: Planned, output: Output, all: boolean): void {
  if (output.json) return output.value({ type: 'findings', findings: planned.findings });
  for (const finding of planned.findings) {
    if (all || finding.severity !== 'blocker') output.remark(findingLine(finding));
  }
}

/** A slip of the pen would make a change that nobody wants. */
function tellUnknownChanges({ guests }: Planned, options: ConvertOptions, output: Output): void {
  if (guests === undefined) return;
  for (const id of unknownChanges(options, Object.values(guests)))
    output.remark(`warning: --without-change ${id}: no change of the guest is called so; see --dry-run`);
}

function refuseBlocked(planned: Planned): void {
  const blockers = planned.findings.filter((f) => f.severity === 'blocker');
  if (blockers.length === 0) return;
  const remedies = blockers.flatMap((f) => f.remedy ?? []);
  throw new AppError('blocked', blockers.map((f) => f.message).join('; '), {
    ...(remedies.length === 0 ? {} : { hint: remedies.join('; ') }),
  });
}
