/** Names of partition types. MBR ids: A. Brouwer's list; GUIDs: UEFI 5.3.3 and the systems' own documentation. */

const mbrNames: Readonly<Record<number, string>> = {
  1: 'FAT12',
  4: 'FAT16 below 32 MB',
  5: 'extended',
  6: 'FAT16',
  7: 'NTFS or exFAT',
  11: 'FAT32',
  12: 'FAT32 (LBA)',
  14: 'FAT16 (LBA)',
  15: 'extended (LBA)',
  17: 'hidden FAT12',
  18: 'diagnostics',
  20: 'hidden FAT16 below 32 MB',
  22: 'hidden FAT16',
  23: 'hidden NTFS',
  27: 'hidden FAT32',
  28: 'hidden FAT32 (LBA)',
  30: 'hidden FAT16 (LBA)',
  39: 'Windows recovery',
  65: 'PowerPC PReP boot',
  66: 'Windows dynamic disk',
  130: 'Linux swap',
  131: 'Linux',
  132: 'hibernation',
  133: 'Linux extended',
  142: 'Linux LVM',
  165: 'FreeBSD',
  166: 'OpenBSD',
  168: 'Apple UFS',
  169: 'NetBSD',
  171: 'Apple boot',
  175: 'Apple HFS+',
  190: 'Solaris boot',
  191: 'Solaris',
  234: 'Linux extended boot',
  235: 'BeOS',
  238: 'GPT protective',
  239: 'EFI system',
  251: 'VMware VMFS',
  252: 'VMware core dump',
  253: 'Linux RAID',
};

export const gptTypes = {
  efiSystem: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  biosBoot: '21686148-6449-6e6f-744e-656564454649',
  microsoftReserved: 'e3c9e316-0b5c-4db8-817d-f92df00215ae',
  windowsRecovery: 'de94bba4-06d1-4d40-a16a-bfd50179d6ac',
  extendedBoot: 'bc13c2ff-59e6-4262-a352-b275fd6f7172',
  home: '933ac7e1-2eb4-4f13-b844-0e14e2aef915',
  serverData: '3b8f8425-20e0-4f3b-907f-1a25a76f98e8',
  variableData: '4d21b016-b534-45c2-a9fb-5c16e091fd2d',
} as const;

const gptNames: Readonly<Record<string, string>> = {
  [gptTypes.efiSystem]: 'EFI system',
  [gptTypes.biosBoot]: 'BIOS boot',
  [gptTypes.microsoftReserved]: 'Microsoft reserved',
  [gptTypes.windowsRecovery]: 'Windows recovery',
  'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'Microsoft basic data',
  '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3': 'Windows dynamic disk metadata',
  'af9b60a0-1431-4f62-bc68-3311714a69ad': 'Windows dynamic disk data',
  'e75caf8f-f680-4cee-afa3-b001e56efc2d': 'Windows storage spaces',
  '9e1a2d38-c612-4316-aa26-8b49521e5a8b': 'PowerPC PReP boot',
  '0fc63daf-8483-4772-8e79-3d69d8477de4': 'Linux filesystem',
  '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'Linux swap',
  'e6d6d379-f507-44c2-a23c-238f2a3df928': 'Linux LVM',
  'a19d880f-05fc-4d3b-a006-743f0f84911e': 'Linux RAID',
  [gptTypes.extendedBoot]: 'Linux extended boot',
  [gptTypes.home]: 'Linux home',
  [gptTypes.serverData]: 'Linux server data',
  [gptTypes.variableData]: 'Linux variable data',
  '8da63339-0007-60c0-c436-083ac8230908': 'Linux reserved',
  '44479540-f297-41b2-9af7-d131d5f0458a': 'Linux root (x86)',
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'Linux root (x86-64)',
  '69dad710-2ce4-4e3c-b16c-21a1d49abed3': 'Linux root (ARM)',
  'b921b045-1df0-41c3-af44-4c6f280d3fae': 'Linux root (ARM-64)',
  'c31c45e6-3f39-412e-80fb-4809c4980599': 'Linux root (PPC64LE)',
  '5eead9a9-fe09-4a1e-a1d7-520d00531306': 'Linux root (S390X)',
  '72ec70a6-cf74-40e6-bd49-4bda08e8f224': 'Linux root (RISC-V-64)',
  '8484680c-9521-48c6-9c11-b0720656f69e': 'Linux /usr (x86-64)',
  'b0e01050-ee5f-4390-949a-9101b17104e9': 'Linux /usr (ARM-64)',
  '83bd6b9d-7f41-11dc-be0b-001560b84f0f': 'FreeBSD boot',
  '516e7cb4-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD data',
  '516e7cb5-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD swap',
  '516e7cb6-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD UFS',
  '516e7cb8-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD Vinum',
  '516e7cba-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD ZFS',
  '49f48d32-b10e-11dc-b99b-0019d1879648': 'NetBSD swap',
  '49f48d5a-b10e-11dc-b99b-0019d1879648': 'NetBSD FFS',
  '824cc7a0-36a8-11e3-890a-952519ad3f61': 'OpenBSD data',
  '48465300-0000-11aa-aa11-00306543ecac': 'Apple HFS+',
  '7c3457ef-0000-11aa-aa11-00306543ecac': 'Apple APFS',
  '53746f72-6167-11aa-aa11-00306543ecac': 'Apple CoreStorage',
  '6a85cf4d-1dd2-11b2-99a6-080020736631': 'Solaris root',
  '6a898cc3-1dd2-11b2-99a6-080020736631': 'Solaris /usr or ZFS',
  'aa31e02a-400f-11db-9590-000c2911d1b8': 'VMware VMFS',
  '9d275380-40ad-11db-bf97-000c2911d1b8': 'VMware core dump',
  '9198effc-31c0-11db-8f78-000c2911d1b8': 'VMware reserved',
  'fe3a2a5d-4f32-41a7-b725-accc3285a309': 'ChromeOS kernel',
  '3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec': 'ChromeOS root',
  '4fbd7e29-9d25-41b8-afd0-062c0ceff05d': 'Ceph OSD',
};

export const gptTypeGuids: readonly string[] = Object.keys(gptNames);

/** The MBR id as text: `0x83`. */
export const mbrType = (id: number): string => `0x${id.toString(16).padStart(2, '0')}`;

/** What people call the type; `unknown` where it is in neither list. */
export function typeName(type: string): string {
  return (type.startsWith('0x') ? mbrNames[Number(type)] : gptNames[type]) ?? 'unknown';
}

/** DOS, Windows 95 and Linux extended partitions: a chain of logical ones inside. */
export const isExtended = (id: number): boolean => id === 0x05 || id === 0x0f || id === 0x85;
