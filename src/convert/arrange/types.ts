/** Types of partitions, from one kind of table to the other, and for what had no table. */
import { gptTypes } from '../../guest/partitions/type-names.ts';

const linux = '0fc63daf-8483-4772-8e79-3d69d8477de4';
const basicData = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';

/** MBR id and GPT type GUID that mean the same. The first of an id or a GUID is what it becomes. */
const same: readonly (readonly [number, string])[] = [
  [0x83, linux],
  [0x82, '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f'],
  [0x8e, 'e6d6d379-f507-44c2-a23c-238f2a3df928'],
  [0xfd, 'a19d880f-05fc-4d3b-a006-743f0f84911e'],
  [0xef, gptTypes.efiSystem],
  [0x41, '9e1a2d38-c612-4316-aa26-8b49521e5a8b'],
  [0xea, gptTypes.extendedBoot],
  [0x27, gptTypes.windowsRecovery],
  [0x07, basicData],
  ...[0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e].map((id) => [id, basicData] as const),
];

export const gptTypeOf = (mbrType: string): string =>
  same.find(([id]) => id === Number(mbrType))?.[1] ?? linux;

/** FAT has ids of its own in the MBR. */
export function mbrTypeOf(gptType: string, kind: string | undefined): string {
  if (gptType === basicData && kind?.startsWith('fat')) return '0x0c';
  const id = same.find(([, guid]) => guid === gptType)?.[0] ?? 0x83;
  return `0x${id.toString(16).padStart(2, '0')}`;
}

const byKind: Readonly<Record<string, number>> = {
  'lvm2-pv': 0x8e,
  'md-raid': 0xfd,
  swap: 0x82,
  ntfs: 0x07,
  exfat: 0x07,
  refs: 0x07,
  bitlocker: 0x07,
};

/** The MBR's id for what lies on a whole disk. */
export const typeOfWhole = (kind: string | undefined): string =>
  `0x${(byKind[kind ?? ''] ?? (kind?.startsWith('fat') ? 0x0c : 0x83)).toString(16)}`;

/** Labels of the BSDs count from the start of the disk: a slice of theirs can't be moved. */
export const isBsdSlice = (type: string): boolean => [0xa5, 0xa6, 0xa9].includes(Number(type));
