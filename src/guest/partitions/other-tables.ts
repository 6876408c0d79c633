/** Tables that are recognised, and read no further. */
import { addFinding, bytesAt, type Looking } from '../looking.ts';

/** Apple's: block 0 begins with "ER", the map with "PM" in the next block, mostly of 512 bytes, of 2048 on CDs. */
async function isAppleMap(looking: Looking): Promise<boolean> {
  const head = await bytesAt(looking, 0, 2050);
  const marks = [512, 2048].map((at) => head.toString('latin1', at, at + 2));
  return head.toString('latin1', 0, 2) === 'ER' && marks.includes('PM');
}

/** Windows' dynamic disks (LDM) have "PRIVHEAD" in sector 6 where the table is an MBR. */
async function isDynamicDisk(looking: Looking): Promise<boolean> {
  return (await bytesAt(looking, 6 * 512, 8)).toString('latin1') === 'PRIVHEAD';
}

const dynamicTypes = new Set([
  '0x42',
  '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3',
  'af9b60a0-1431-4f62-bc68-3311714a69ad',
]);
const storageSpaces = 'e75caf8f-f680-4cee-afa3-b001e56efc2d';

/** Findings for what lies on the disk in a way that is not followed here. */
export async function otherTables(
  looking: Looking,
  types: readonly string[],
  evidence: string,
): Promise<void> {
  if (types.some((type) => dynamicTypes.has(type)) || (await isDynamicDisk(looking))) {
    addFinding(
      looking,
      'dynamic-disk',
      'warning',
      'a dynamic disk of Windows: its volumes are not followed',
      {
        evidence,
        remedy: 'Windows reads it at the destination where all disks of its group are there',
      },
    );
  }
  if (types.includes(storageSpaces)) {
    addFinding(
      looking,
      'storage-spaces',
      'warning',
      'a part of a Storage Spaces pool of Windows: not followed',
      {
        evidence,
        remedy: 'Windows reads it at the destination where all disks of the pool are there',
      },
    );
  }
  if (types.length === 0 && (await isAppleMap(looking))) {
    addFinding(
      looking,
      'apple-partition-map',
      'note',
      'an Apple partition map: its partitions are not followed',
      {
        evidence,
      },
    );
  }
}
