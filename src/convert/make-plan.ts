/** From a machine and what is wanted of it to a plan: every default filled in, every option checked. Pure. */
import { codecById, codecs } from '../codecs/registry.ts';
import { splitWrapperName } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { GuestReport } from '../model/guest-report.ts';
import type { DiskBus, Firmware, Machine, MachineDisk, Nic } from '../model/machine.ts';
import { type Options, resolveOptions } from '../model/options.ts';
import type { Container, Keep, MachineEdit, Plan, PlanSource, Proof, Warm } from '../model/plan.ts';
import { wishedDisks } from './arrange/wish.ts';
import { refuseBacking } from './backing.ts';
import { refuseKeep } from './keep-when.ts';
import { type Product, productById } from './products.ts';
import { refuseWarm } from './warm-when.ts';

/** An environment that takes the machine, and what it said of itself when it was connected. */
export interface PlanTarget {
  readonly environment: string;
  readonly profile?: string;
  /** Of the connection and of the delivery. */
  readonly settings: Readonly<Record<string, string>>;
  /** See `DestinationRole`. */
  readonly product?: string;
  readonly formats?: readonly string[];
  readonly options?: Readonly<Record<string, Options>>;
}

export interface PlanRequest {
  readonly source: PlanSource;
  readonly machine: Machine;
  readonly edit?: MachineEdit;
  /** What was found inside the disks, by their ids, where they were looked into. */
  readonly reports?: Readonly<Record<string, GuestReport>>;
  /** From the guest's partitions, where they tell. */
  readonly firmwareHint?: Firmware['kind'];
  /** Absent: a folder here. */
  readonly target?: PlanTarget;
  readonly product: string;
  readonly folder: string;
  /** The name of the first file, where the user gave it; otherwise made from the machine's. */
  readonly file?: string;
  readonly container?: Container;
  readonly format?: string;
  readonly options: Options;
  /** See `PlanDestination`. */
  readonly recipients?: readonly string[];
  readonly backing?: string;
  readonly splitBytes?: number;
  readonly force: boolean;
  readonly sync: boolean;
  /** Only where there is a target. */
  readonly start?: boolean;
  readonly warm?: Warm;
  readonly proof?: Proof;
  /** Without the machine: that is the one given here. */
  readonly keep?: Keep;
}

/** @throws AppError `usage` for an impossible choice. */
export function makePlan(request: PlanRequest): Plan {
  const { target } = request;
  const product = productById(target?.product ?? request.product);
  const anyProduct = target?.product === undefined;
  const container = anyProduct ? (request.container ?? product.containers[0]!) : 'disks';
  const format = chooseFormat(request, product, container);
  const forced: Options =
    container === 'disks'
      ? (target?.options?.[format] ?? {})
      : container === 'xva'
        ? {}
        : { subformat: 'streamOptimized' };
  const specs = codecById(format).encoder?.options;
  if (specs === undefined) {
    throw new AppError('usage', `${format} can be read but not written`, { hint: 'choose another format' });
  }
  const options = resolveOptions(specs, { ...product.options[format], ...request.options, ...forced });
  const { recipients = [] } = request;
  const machine = machineAtDestination(request, product);
  const { disks, arrange } = wishedDisks(request.edit?.arrange, machine.disks, request.reports ?? {});
  const plan: Plan = {
    version: 1,
    source: request.source,
    machine: { ...machine, disks },
    destination: {
      ...placeOf(request),
      product: product.id,
      container,
      format,
      options,
      ...(recipients.length === 0 ? {} : { recipients }),
      ...(request.backing === undefined ? {} : { backing: request.backing }),
      ...(request.splitBytes === undefined ? {} : { splitBytes: request.splitBytes }),
    },
    force: request.force,
    sync: request.sync,
    ...(target !== undefined && request.start === true ? { start: true } : {}),
    ...(request.warm === undefined ? {} : { warm: request.warm }),
    ...request.proof,
    ...(request.keep === undefined ? {} : { keep: { ...request.keep, machine: request.machine } }),
    ...guestPlan(request, product),
    ...(arrange === undefined ? {} : { arrange }),
  };
  refuseBacking(plan);
  refuseWarm(plan);
  refuseSplit(request, options);
  refuseKeep(plan);
  // Whoever names a recipient takes it for granted that nobody else can read it.
  if (recipients.length > 0 && diskFileNames(plan).some((name) => splitWrapperName(name).wrapper !== 'age')) {
    throw new AppError('usage', 'a recipient is named, and the image would not be encrypted', {
      hint: 'name a file that ends with .age, such as --to disk.raw.age',
    });
  }
  return plan;
}

/** @throws AppError `usage` where whole files are wanted, or parts are made already. */
function refuseSplit({ target, splitBytes }: PlanRequest, options: Options): void {
  if (splitBytes === undefined) return;
  if (target?.product !== undefined) {
    throw new AppError('usage', 'an environment takes whole disks, not parts of files', {
      hint: 'write the parts into a folder',
    });
  }
  if (typeof options.splitSize === 'number' && options.splitSize > 0)
    throw new AppError('usage', 'the format is told to make parts as well', { hint: 'leave splitSize out' });
}

/** Products that the environments of sources belong to: from one to its like the hardware stays. */
const homes: Readonly<Record<string, string>> = {
  vsphere: 'vmware',
  workstation: 'vmware',
  libvirt: 'qemu',
  xapi: 'xen',
  hyperv: 'hyperv',
  virtualbox: 'virtualbox',
  uml: 'uml',
};

/** A hypervisor gets a guest that runs on it; files stay as they are unless something else is said. */
function guestPlan({ edit, target, source }: PlanRequest, product: Product): Pick<Plan, 'guest'> {
  const moves = target?.product !== undefined && homes[source.environment] !== product.id;
  const otherHardware = edit?.diskBus !== undefined || edit?.nicModel !== undefined;
  // A kernel is given to a guest that never started by itself: one is of no use without the rest.
  const needed = moves || otherHardware || edit?.guest?.kernel !== undefined;
  if (edit?.guest === undefined && !needed) return {};
  return { guest: { changes: needed ? 'needed' : 'none', ...edit?.guest } };
}

function placeOf({ target, folder, file }: PlanRequest) {
  if (target === undefined) {
    return { environment: 'local', settings: { folder, ...(file === undefined ? {} : { file }) } };
  }
  const { environment, profile, settings } = target;
  return { environment, ...(profile === undefined ? {} : { profile }), settings };
}

function chooseFormat(request: PlanRequest, product: Product, container: Container): string {
  if (container === 'disks') {
    const format = request.format ?? request.target?.formats?.[0] ?? product.formats[0]!;
    const known = codecs.map((codec) => codec.id);
    if (known.includes(format)) return format;
    throw new AppError('usage', `"${format}" is not a disk format known here`, {
      hint: `known are: ${known.join(', ')}`,
    });
  }
  const held = container === 'xva' ? 'raw' : 'vmdk';
  if (request.format !== undefined && request.format !== held) {
    const what = held === 'raw' ? 'plain blocks (raw)' : 'streamOptimized VMDK';
    throw new AppError('usage', `an ${container.toUpperCase()} holds ${what}, not ${request.format}`, {
      hint: 'leave the format out, or choose plain disks as the container',
    });
  }
  return held;
}

function machineAtDestination(request: PlanRequest, product: Product): Machine {
  const { machine, edit = {} } = request;
  const { hardware } = product;
  const disks = machine.disks.filter((disk) => !edit.leaveOut?.includes(disk.id));
  const hint = request.firmwareHint === undefined ? undefined : { kind: request.firmwareHint };
  return {
    ...machine,
    name: edit.name ?? machine.name,
    processors:
      edit.processors === undefined
        ? (machine.processors ?? { count: hardware.processors })
        : { count: edit.processors },
    memoryBytes: edit.memoryBytes ?? machine.memoryBytes ?? hardware.memoryBytes,
    firmware: edit.firmware ?? machine.firmware ?? hint ?? hardware.firmware,
    nics: withModel(
      edit.nics ?? (hasHardware(machine) ? machine.nics : [{ model: hardware.nicModel, connected: true }]),
      edit.nicModel,
    ),
    disks: disks.map((disk, i) => withPlace(onBus(disk, i, edit.diskBus), i, hardware.diskBus)),
  };
}

/** Whether the source described a machine; a plain image says nothing of its hardware. */
const hasHardware = (machine: Machine): boolean =>
  machine.nics.length > 0 || machine.processors !== undefined || machine.memoryBytes !== undefined;

const withModel = (nics: readonly Nic[], model: string | undefined): readonly Nic[] =>
  model === undefined ? nics : nics.map((nic) => ({ ...nic, model }));

function onBus(disk: MachineDisk, index: number, bus: DiskBus | undefined): MachineDisk {
  if (bus === undefined || bus === disk.bus) return disk;
  const { controllerModel: _old, ...rest } = disk;
  return { ...rest, bus, controller: 0, unit: index };
}

const withPlace = (disk: MachineDisk, index: number, bus: NonNullable<MachineDisk['bus']>): MachineDisk =>
  disk.bus === undefined ? { ...disk, bus, controller: 0, unit: index } : disk;

/** Whether anything is to be changed inside the guest. */
export const wantsChanges = ({ guest }: Plan): boolean =>
  guest !== undefined &&
  (guest.changes === 'needed' ||
    guest.add !== undefined ||
    guest.shrink === true ||
    guest.undo !== undefined);

/** Files go to a folder here; everything else is an environment that takes the machine. */
export const isFolder = ({ destination }: Plan): boolean => destination.environment === 'local';

/** A name that can be that of a file everywhere: no separators, no control characters, not hidden, not too long. */
export function fileNameFor(machineName: string): string {
  const plain = machineName.replace(/[\p{Cc}/\\:*?"<>|]/gu, '_').replace(/^[. ]+|[. ]+$/g, '');
  // Filesystems count bytes, and extensions and numbers are still to come.
  return firstBytes(plain, 180) || 'machine';
}

function firstBytes(text: string, limit: number): string {
  let out = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > limit) break;
    out += character;
  }
  return out;
}

/** The name of each disk's first file, in the order of the plan's disks. */
export function diskFileNames(plan: Plan): string[] {
  const { container, format, settings } = plan.destination;
  const base = fileNameFor(plan.machine.name);
  const extension = codecById(format).extensions[0]!;
  const { disks } = plan.machine;
  if (container === 'disks' && disks.length === 1) {
    const given = isFolder(plan) ? settings.file : undefined;
    return [given ?? `${base}.${extension}`];
  }
  return disks.map((_, i) => `${base}-disk${i + 1}.${extension}`);
}

/** The name of the whole package, or undefined for plain disks. */
export function packageFileName(plan: Plan): string | undefined {
  const { container, settings } = plan.destination;
  if (container === 'disks') return undefined;
  const { file } = settings;
  if (container === 'xva' && file !== undefined && packedXva.test(file)) return file;
  const base = file?.replace(/\.(ova|ovf|xva)$/i, '') ?? fileNameFor(plan.machine.name);
  return `${base}.${container}`;
}

/** Importers unpack these two by themselves. */
const packedXva = /\.xva\.(gz|zst)$/i;
