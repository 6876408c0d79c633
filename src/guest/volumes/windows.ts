/** Filesystems of DOS and Windows. */

import { labelIn } from '../filesystems/fat/folder.ts';
import { extendedBoot, type FatGeometry, fatGeometry } from '../filesystems/fat/layout.ts';
import { fatEntry, rootFolder } from '../filesystems/fat/open.ts';
import { bytesAt, type Looking } from '../looking.ts';
import { given, plainText, serialAt } from '../text.ts';
import { ntfsVolumeFacts } from './ntfs.ts';
import { type Recognise, sizes, u64le } from './volume.ts';

const oemName = (sector: Buffer) => sector.toString('latin1', 3, 11);

export const ntfs: Recognise = async (looking) => {
  const boot = await bytesAt(looking, 0, 512);
  if (oemName(boot) !== 'NTFS    ') return undefined;
  const facts = await ntfsVolumeFacts(looking, boot);
  return {
    kind: 'ntfs',
    ...given('label', facts.label),
    uuid: serialAt(boot, 72, 8),
    ...sizes(u64le(boot, 40) * boot.readUInt16LE(11)),
    state: facts.dirty === undefined ? 'unknown' : facts.dirty ? 'dirty' : 'clean',
    readable: false,
  };
};

/** BitLocker keeps the boot sector's shape with a name of its own; BitLocker To Go looks like FAT32. */
export const bitlocker: Recognise = async (looking) => {
  const boot = await bytesAt(looking, 0, 512);
  // {4967d63b-2e29-4ad8-8399-f6a339e3d001} at 0x1a8.
  const toGo = boot.toString('hex', 0x1a8, 0x1b8) === '3bd66749292ed84a8399f6a339e3d001';
  if (oemName(boot) !== '-FVE-FS-' && !(oemName(boot) === 'MSWIN4.1' && toGo)) return undefined;
  const version = await fveVersion(looking, boot, toGo);
  return {
    kind: 'bitlocker',
    ...given('detail', version === undefined ? undefined : `version ${version}`),
    state: 'unknown',
    encrypted: true,
    readable: false,
  };
};

/** Of the metadata (libyal, "BitLocker Drive Encryption (BDE) format"): 1 is Vista's, 2 that of Windows 7 and later. */
async function fveVersion(looking: Looking, boot: Buffer, toGo: boolean): Promise<number | undefined> {
  // Vista keeps no places but the number of a cluster.
  const isVista = boot[1] === 0x52;
  const cluster = boot.readUInt16LE(11) * boot[13]!;
  const offset = isVista ? u64le(boot, 0x38) * cluster : u64le(boot, toGo ? 440 : 176);
  if (!(offset > 0 && offset <= looking.disk.size - 64)) return undefined;
  const block = await bytesAt(looking, offset, 64);
  return block.toString('latin1', 0, 8) === '-FVE-FS-' ? block.readUInt16LE(10) : undefined;
}

export const refs: Recognise = async (looking) => {
  const boot = await bytesAt(looking, 0, 64);
  if (boot.toString('latin1', 3, 7) !== 'ReFS' || boot.toString('latin1', 16, 20) !== 'FSRS')
    return undefined;
  return {
    kind: 'refs',
    ...sizes(u64le(boot, 24) * boot.readUInt32LE(32)),
    state: 'unknown',
    readable: false,
  };
};

/** Microsoft exFAT specification, 3.1. */
export const exfat: Recognise = async (looking) => {
  const boot = await bytesAt(looking, 0, 512);
  const sectorShift = boot[108]!;
  if (oemName(boot) !== 'EXFAT   ' || sectorShift < 9 || sectorShift > 12) return undefined;
  const total = u64le(boot, 72) * 2 ** sectorShift;
  const percentInUse = boot[112]!;
  return {
    kind: 'exfat',
    uuid: serialAt(boot, 100, 4),
    ...sizes(total, percentInUse <= 100 ? Math.round((total * (100 - percentInUse)) / 100) : undefined),
    state: (boot.readUInt16LE(106) & 2) === 0 ? 'clean' : 'dirty',
    readable: false,
  };
};

export const fat: Recognise = async (looking) => {
  const boot = await bytesAt(looking, 0, 512);
  const geometry = fatGeometry(boot);
  if (geometry === undefined) return undefined;
  const extended = extendedBoot.decode(boot, geometry.bits === 32 ? 64 : 36);
  const known = extended.bootSignature === 0x29;
  const label = (labelIn(await rootFolder(looking, geometry)) ?? (known ? extended.label : '')).trim();
  return {
    kind: `fat${geometry.bits}`,
    ...given('label', plainText(label === 'NO NAME' ? '' : label)),
    ...(known ? { uuid: serialAt(boot, geometry.bits === 32 ? 67 : 39, 4) } : {}),
    ...sizes(geometry.totalBytes),
    state: (await isDirty(looking, geometry)) ? 'dirty' : 'clean',
    readable: true,
  };
};

/** The second entry of the table has a bit that is cleared while mounted; FAT12 has no room for it. */
async function isDirty(looking: Looking, geometry: FatGeometry): Promise<boolean> {
  if (geometry.bits === 12) return false;
  const entry = await fatEntry(looking, geometry, 1);
  return (entry & (geometry.bits === 16 ? 0x8000 : 0x08000000)) === 0;
}
