/** A neutral machine as named values, so that two can be compared field by field. */
import type { Machine, MachineDisk, Nic } from '../../src/model/machine.ts';

/** What is compared, in the order of the page. `disk` and `card` fields are there once for each of them. */
export const fieldNames = [
  'processors',
  'cores per socket',
  'threads per core',
  'processor model',
  'memory',
  'firmware',
  'Secure Boot',
  'firmware variables',
  'chipset',
  'UUID',
  'description',
  'clock',
  'graphics',
  'video card',
  'consoles',
  'agent channels',
  'CD drives',
  'CD media',
  'TPM',
  'disk size',
  'disk bus',
  'disk controller',
  'disk place',
  'disk boot order',
  'disk serial number',
  'read-only disk',
  'shared disk',
  'card address',
  'card model',
  'card network',
  'card connected',
  'card boot order',
] as const;
export type FieldName = (typeof fieldNames)[number];

type Value = string | number | boolean | undefined;
export type Values = Readonly<Partial<Record<FieldName, Value>>>;

export interface Comparable {
  readonly whole: Values;
  /** By the digest of their bytes: their order is not the same everywhere. */
  readonly disks: ReadonlyMap<string, Values>;
  readonly diskNames: ReadonlyMap<string, string>;
  readonly cards: readonly Values[];
}

export interface ReadDisk {
  readonly disk: MachineDisk;
  readonly digest: string;
  readonly sizeBytes: number;
}

/**
 * Not compared: the id, the state, files and their formats, snapshots, findings and where it lies, which are the
 * environment's own; the name, which the plan gives; what system is installed, which is on the disks and not hardware.
 */
export function comparable(machine: Machine, disks: readonly ReadDisk[]): Comparable {
  const { processors, firmware, devices = {} } = machine;
  // A disk that is only said to be the one comes after the cards that say their number.
  const networkFirst = machine.nics.filter(({ bootOrder }) => bootOrder !== undefined).length;
  const list = (texts: readonly string[] | undefined) => [...(texts ?? [])].sort().join(', ') || undefined;
  return {
    whole: {
      processors: processors?.count,
      // What nobody says has one of it.
      'cores per socket': processors?.coresPerSocket,
      'threads per core': processors?.threadsPerCore ?? 1,
      'processor model': processors?.model,
      memory: machine.memoryBytes,
      firmware: firmware?.kind,
      'Secure Boot': firmware?.secureBoot ?? false,
      'firmware variables': firmware?.nvram || undefined,
      chipset: machine.chipset,
      UUID: machine.uuid,
      description: machine.description,
      clock: devices.clock,
      graphics: devices.graphics,
      'video card': devices.video,
      consoles: list(devices.consoles),
      'agent channels': list(devices.agents),
      'CD drives': list(devices.cdroms?.map(({ bus }) => bus ?? 'any')),
      'CD media': list(devices.cdroms?.flatMap(({ media }) => media ?? [])),
      TPM: devices.tpm && (devices.tpm.version ?? 'any'),
    },
    disks: new Map(disks.map((one) => [one.digest, diskValues(one, networkFirst)])),
    diskNames: new Map(disks.map(({ digest, disk }) => [digest, disk.name])),
    cards: machine.nics.map(cardValues),
  };
}

const diskValues = ({ disk, sizeBytes }: ReadDisk, before: number): Values => ({
  'disk size': sizeBytes,
  'disk bus': disk.bus,
  // SATA has one kind of controller; some say its name.
  'disk controller': disk.bus === 'sata' ? undefined : disk.controllerModel,
  'disk place': disk.unit === undefined ? undefined : `${disk.controller ?? 0}:${disk.unit}`,
  'disk boot order': disk.bootOrder ?? (disk.bootable ? before + 1 : undefined),
  'disk serial number': disk.serial,
  'read-only disk': disk.readOnly ?? false,
  'shared disk': disk.shared ?? false,
});

const cardValues = ({ mac, model, network, connected = true, bootOrder }: Nic): Values => ({
  'card address': mac,
  'card model': model,
  'card network': network,
  'card connected': connected,
  'card boot order': bootOrder,
});

export interface Difference {
  readonly field: FieldName;
  /** Of a disk or a card: what a finding calls it. */
  readonly names?: readonly string[];
  readonly before: Value;
  /** Undefined: it is not there any more. */
  readonly after: Value;
}

/** What was said before and is not the same after. What nobody said before is no loss, whatever it has become. */
export function differences(before: Comparable, after: Comparable): Difference[] {
  return [
    ...compared(before.whole, after.whole),
    ...[...before.disks].flatMap(([digest, values]) =>
      compared(values, after.disks.get(digest) ?? {}, [before.diskNames.get(digest)!]),
    ),
    ...before.cards.flatMap((values, i) =>
      compared(values, after.cards[i] ?? {}, [`NIC ${i + 1}`, `adapter ${i + 1}`]),
    ),
  ];
}

function compared(before: Values, after: Values, names?: readonly string[]): Difference[] {
  return fieldNames.flatMap((field) => {
    const [was, is] = [before[field], after[field]];
    if (was === undefined || was === is) return [];
    return [{ field, before: was, after: is, ...(names === undefined ? {} : { names }) }];
  });
}
