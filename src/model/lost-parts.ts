/** Parts of a machine that not every environment has a place for: told beforehand by whoever will not carry them. */
import type { Finding } from './finding.ts';
import type { Machine, MachineDisk, Nic } from './machine.ts';

type Value = string | number | undefined;

/** What a machine says of each; undefined where it says nothing that could be lost. */
const wholeParts = {
  'cores per socket': ({ processors }) => processors?.coresPerSocket,
  'threads per core': ({ processors }) => moreThan(1, processors?.threadsPerCore),
  'processor model': ({ processors }) => processors?.model,
  'firmware variables': ({ firmware }) => (firmware?.nvram ? 'NVRAM' : undefined),
  'Secure Boot': ({ firmware }) => (firmware?.secureBoot ? 'on' : undefined),
  chipset: ({ chipset }) => chipset,
  UUID: ({ uuid }) => uuid,
  clock: ({ devices }) => devices?.clock,
  graphics: ({ devices }) => devices?.graphics,
  'video card': ({ devices }) => devices?.video,
  consoles: ({ devices }) => listed(devices?.consoles),
  'agent channels': ({ devices }) => listed(devices?.agents),
  'CD drives': ({ devices }) => listed(devices?.cdroms?.map(({ bus = 'any' }) => bus)),
  'CD media': ({ devices }) => listed(devices?.cdroms?.flatMap(({ media }) => media ?? [])),
  TPM: ({ devices }) => devices?.tpm && (devices.tpm.version ?? 'any'),
  'devices of the host': ({ devices }) => listed(devices?.bound),
} satisfies Readonly<Record<string, (machine: Partial<Machine>) => Value>>;

const diskParts = {
  'disk bus': ({ bus }) => bus,
  // SATA has one kind of controller; some say its name.
  'disk controller': ({ bus, controllerModel }) => (bus === 'sata' ? undefined : controllerModel),
  'disk place': ({ unit, controller = 0 }) => (unit === undefined ? undefined : `${controller}:${unit}`),
  'disk boot order': ({ bootOrder }) => bootOrder,
  'disk serial number': ({ serial }) => serial,
  'read-only disk': ({ readOnly }) => (readOnly ? 'yes' : undefined),
  'shared disk': ({ shared }) => (shared ? 'yes' : undefined),
} satisfies Readonly<Record<string, (disk: Partial<MachineDisk>) => Value>>;

const cardParts = {
  'card model': ({ model }) => model,
  'card connected': ({ connected }) => (connected === false ? 'no' : undefined),
  'card boot order': ({ bootOrder }) => bootOrder,
} satisfies Readonly<Record<string, (nic: Nic) => Value>>;

export type Part = keyof typeof wholeParts | keyof typeof diskParts | keyof typeof cardParts;

/** As much of the machine as its destination is known to make of it; disks by their ids, cards in their order. */
export interface There extends Partial<Pick<Machine, 'devices' | 'processors' | 'chipset' | 'nics'>> {
  readonly disks?: readonly (Partial<MachineDisk> & Pick<MachineDisk, 'id'>)[];
}

const moreThan = (least: number, value: number | undefined): Value =>
  value !== undefined && value > least ? value : undefined;

const listed = (texts: readonly string[] | undefined): Value =>
  texts === undefined || texts.length === 0 ? undefined : texts.join(', ');

const longestPart = 200;

/**
 * One finding that names those of `parts` that the machine has and that will not be so; none where all stays. What
 * `there` tells is compared, and what it does not tell of is lost.
 */
export function lostParts(machine: Machine, parts: readonly Part[], there: There = {}): Finding[] {
  const lost = parts.flatMap((part) => {
    const values = [...new Set(lostValues(machine, part, there))];
    return values.length === 0 ? [] : [`${part} (${values.join(', ').slice(0, longestPart)})`];
  });
  if (lost.length === 0) return [];
  return [
    {
      rule: 'machine.parts-not-carried',
      severity: 'note',
      message: 'of the hardware this is left out there, or becomes what is usual',
      evidence: lost.join('; '),
    },
  ];
}

function lostValues(machine: Machine, part: Part, there: There): Value[] {
  if (isIn(diskParts, part))
    return machine.disks.flatMap((disk) =>
      changed(
        diskParts[part],
        disk,
        there.disks?.find(({ id }) => id === disk.id),
      ),
    );
  if (isIn(cardParts, part))
    return machine.nics.flatMap((nic, i) => changed(cardParts[part], nic, there.nics?.[i]));
  return changed(wholeParts[part], machine, { ...there, disks: [] });
}

const isIn = <T extends object>(parts: T, part: PropertyKey): part is keyof T => Object.hasOwn(parts, part);

function changed<T>(tell: (one: Partial<T>) => Value, before: T, after: Partial<T> | undefined): Value[] {
  const value = tell(before);
  return value === undefined || value === (after && tell(after)) ? [] : [value];
}
