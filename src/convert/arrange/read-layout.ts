/** The tables of a machine's disks as they are to be rearranged; what can't be is a finding that forbids it. */

import { bytesAt, type Looking } from '../../guest/looking.ts';
import { gptHeader } from '../../guest/partitions/gpt.ts';
import { mbrBytes } from '../../guest/partitions/mbr.ts';
import { otherTables } from '../../guest/partitions/other-tables.ts';
import { checkLayout, readTable } from '../../guest/partitions/read-table.ts';
import { isExtended } from '../../guest/partitions/type-names.ts';
import { recognise } from '../../guest/volumes/recognise.ts';
import { cached } from '../../io/cached.ts';
import { type Disk, slice } from '../../io/disk.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuestPartition, PartitionTable } from '../../model/guest-report.ts';
import { type Part, refusal, type TableLayout } from './layout.ts';

export interface ReadLayout {
  /** Absent where a finding forbids to rearrange the disk. */
  readonly layout?: TableLayout;
  readonly findings: readonly Finding[];
}

/** Rules of the looking that mean: what lies there depends on where it lies, or is not known for sure. */
const inTheWay: Readonly<Record<string, string>> = {
  'guest.dynamic-disk':
    'its volumes are described by a database beside the partitions, which names their places',
  'guest.storage-spaces': 'it is a part of a pool of Storage Spaces, which knows its disks by their places',
  'guest.apple-partition-map': 'the partitions of this kind of table are not followed',
  'guest.gpt-hybrid': 'its MBR lists partitions beside the GPT, and both would have to agree',
  'guest.gpt-broken': 'its partition table is broken',
  'guest.gpt-primary-broken': 'its partition table is broken, only the backup is whole',
  'guest.extended-partition-broken': 'the chain of its logical partitions is broken',
  'guest.partition-past-end': 'a partition goes past its end',
  'guest.partitions-overlap': 'partitions lie over each other',
};

/** The table of disk `number` (from 0). @throws AppError what reading it meets. */
export async function readLayout(
  disk: Disk,
  number: number,
  name: string,
  signal?: AbortSignal,
): Promise<ReadLayout> {
  const findings: Finding[] = [];
  const looking: Looking = { disk: cached(slice(disk, 0, disk.size)), signal, findings };
  const { table, partitions } = await readTable(
    looking,
    async () => (await recognise(looking)) !== undefined,
  );
  checkLayout(looking, partitions);
  await otherTables(
    looking,
    partitions.map(({ type }) => type),
    name,
  );
  const refused = [...new Set(findings.map(({ rule }) => rule))].flatMap((rule) =>
    inTheWay[rule] === undefined ? [] : [cannot(name, inTheWay[rule])],
  );
  const layout = await layoutOf(looking, table, partitions, number);
  if (partitions.filter(holdsOthers).length > 1)
    refused.push(cannot(name, 'it has several extended partitions'));
  if (layout.kind === 'gpt' && layout.gpt === undefined)
    refused.push(cannot(name, 'its GPT has entries of a size that is not usual'));
  return refused.length > 0 ? { findings: refused } : { layout, findings: [] };
}

const holdsOthers = ({ type }: GuestPartition): boolean => type.startsWith('0x') && isExtended(Number(type));

const cannot = (name: string, why: string): Finding =>
  refusal('table-not-arranged', `the disk can't be combined or separated: ${why}`, {
    evidence: name,
    remedy: 'carry the disks as they are',
  });

async function layoutOf(
  looking: Looking,
  table: PartitionTable,
  partitions: readonly GuestPartition[],
  disk: number,
): Promise<TableLayout> {
  const { kind, sectorSize, bootCode } = table;
  const { size } = looking.disk;
  const firstSector = await bytesAt(looking, 0, mbrBytes);
  const header = kind === 'gpt' ? await headerOf(looking, sectorSize) : undefined;
  const entryOf = ({ number }: GuestPartition): Buffer | undefined => {
    if (kind === 'gpt')
      return header && Buffer.from(header.entries.subarray((number - 1) * 128, number * 128));
    return number <= 4
      ? Buffer.from(firstSector.subarray(446 + (number - 1) * 16, 446 + number * 16))
      : undefined;
  };
  const whole: GuestPartition = {
    ...{ number: 0, startBytes: 0, lengthBytes: size, type: '', typeName: '', bootable: false },
  };
  const parts: Part[] = [];
  for (const p of kind === 'none' ? [whole] : partitions.filter((one) => !holdsOthers(one))) {
    const { number, startBytes, lengthBytes, type } = p;
    const inside = {
      ...looking,
      disk: slice(looking.disk, startBytes, Math.min(lengthBytes, size - startBytes)),
      findings: [],
    };
    const volume = startBytes < size ? await recognise(inside) : undefined;
    parts.push({
      ...{ disk, number, startBytes, lengthBytes, type, active: p.bootable },
      ...(volume === undefined ? {} : { kind: volume.kind }),
      ...(p.uuid === undefined ? {} : { partUuid: p.uuid }),
      ...(entryOf(p) === undefined ? {} : { entry: entryOf(p)! }),
    });
  }
  const extended = partitions.find(holdsOthers);
  return {
    ...{ kind, sectorSize, size, firstSector, parts, hasBootCode: bootCode !== 'none' },
    ...(extended === undefined
      ? {}
      : {
          extended: {
            number: extended.number,
            startBytes: extended.startBytes,
            lengthBytes: extended.lengthBytes,
            entry: entryOf(extended)!,
          },
        }),
    ...(header === undefined
      ? {}
      : { gpt: { diskGuid: header.diskGuid, entryCount: header.entries.length / 128 } }),
  };
}

/** The entries as they are: what they hold besides places is kept. `readTable` has checked all numbers before. */
async function headerOf(looking: Looking, sectorSize: number) {
  const header = gptHeader.decode(await bytesAt(looking, sectorSize, sectorSize));
  if (header.signature !== 'EFI PART' || header.sizeOfPartitionEntry !== 128) return undefined;
  if (header.numberOfPartitionEntries > 8192) return undefined;
  const { diskGuid, partitionEntryLba, numberOfPartitionEntries } = header;
  const entries = await bytesAt(looking, partitionEntryLba * sectorSize, numberOfPartitionEntries * 128);
  return { diskGuid, entries };
}
