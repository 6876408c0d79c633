/** Systems concluded from kinds of partitions and volumes alone: their files can't be read here. */
import type { BootCode, GuestPartition, InstalledSystem } from '../../model/guest-report.ts';
import { partitionName } from '../looking.ts';
import { gptTypes } from '../partitions/type-names.ts';

export interface Seen {
  readonly bootCode: BootCode;
  readonly partitions: readonly GuestPartition[];
  /** Kernels found beside the root: a /boot partition of its own. */
  readonly kernels: readonly string[];
  readonly efiLoaders: readonly string[];
}

/** At most one: the families exclude each other as long as nothing better is known. */
export function concludedSystem(seen: Seen): InstalledSystem | undefined {
  return windows(seen) ?? bsdOrApple(seen) ?? linux(seen);
}

const concluded = (
  name: string,
  family: InstalledSystem['family'],
  root: GuestPartition,
  evidence: readonly string[],
  kernels: readonly string[] = [],
): InstalledSystem => ({
  name,
  family,
  rootPartition: root.number,
  confidence: evidence.length > 2 ? 'medium' : 'low',
  evidence,
  kernels,
  mounts: [],
});

const largest = (partitions: readonly GuestPartition[]): GuestPartition | undefined =>
  partitions.toSorted((a, b) => b.lengthBytes - a.lengthBytes)[0];

/** Windows' volumes alone are only data; something has to say that it starts from here. */
function windows({ bootCode, partitions, efiLoaders }: Seen): InstalledSystem | undefined {
  const root = largest(partitions.filter((p) => p.volume?.kind === 'ntfs' || p.volume?.kind === 'bitlocker'));
  if (root === undefined) return undefined;
  const evidence: string[] = [];
  if (bootCode === 'windows') evidence.push('boot code of Windows in the first sector');
  for (const p of partitions) {
    const recovery = p.type === gptTypes.windowsRecovery || p.type === '0x27';
    if (recovery || p.type === gptTypes.microsoftReserved)
      evidence.push(`${partitionName(p.number)}: ${p.typeName}`);
    if (p.type === '0x07' && p.bootable) evidence.push(`${partitionName(p.number)} is active`);
  }
  if (efiLoaders.some((path) => /^EFI\/Microsoft\/Boot\//i.test(path)))
    evidence.push('EFI loader of Windows');
  if (evidence.length === 0) return undefined;
  return concluded('Windows', 'windows', root, [
    `${partitionName(root.number)}: ${root.volume!.kind}`,
    ...evidence,
  ]);
}

const bsdTypes: Readonly<Record<string, string>> = { '0xa5': 'FreeBSD', '0xa6': 'OpenBSD', '0xa9': 'NetBSD' };

function bsdOrApple({ partitions }: Seen): InstalledSystem | undefined {
  const bsd = partitions.filter(
    (p) => bsdTypes[p.type] !== undefined || /^(Free|Open|Net)BSD/.test(p.typeName),
  );
  const root = largest(bsd.filter((p) => !/swap|boot/.test(p.typeName)));
  if (root !== undefined) {
    const name = bsdTypes[root.type] ?? root.typeName.split(' ')[0]!;
    return concluded(name, 'bsd', root, [`${partitionName(root.number)}: type ${root.typeName}`]);
  }
  const apple = largest(partitions.filter((p) => /^(apfs|hfs)/.test(p.volume?.kind ?? '')));
  if (apple === undefined) return undefined;
  return concluded('macOS', 'other', apple, [`${partitionName(apple.number)}: ${apple.volume!.kind}`]);
}

const linuxRoots = new Set([
  'xfs',
  'btrfs',
  'lvm2-pv',
  'luks1',
  'luks2',
  'md-raid',
  'jfs',
  'reiserfs',
  'f2fs',
]);

/** A root that can't be read, on a disk that something Linux starts from. */
function linux({ bootCode, partitions, kernels, efiLoaders }: Seen): InstalledSystem | undefined {
  const root = largest(partitions.filter((p) => linuxRoots.has(p.volume?.kind ?? '')));
  if (root === undefined) return undefined;
  const evidence: string[] = [];
  if (kernels.length > 0) evidence.push(`kernel ${kernels.at(-1)}`);
  if (bootCode === 'grub' || bootCode === 'lilo')
    evidence.push(`boot code of ${bootCode} in the first sector`);
  const loader = efiLoaders.find((path) => /grub|shim/i.test(path));
  if (loader !== undefined) evidence.push(loader);
  if (evidence.length === 0) return undefined;
  const architecture = kernels
    .map((k) => /(x86_64|aarch64|ppc64le|s390x|i686|amd64|arm64)$/.exec(k)?.[1])
    .find(Boolean);
  const names: Record<string, string> = { amd64: 'x86_64', arm64: 'aarch64' };
  return {
    ...concluded(
      'Linux',
      'linux',
      root,
      [`${partitionName(root.number)}: ${root.volume!.kind}`, ...evidence],
      kernels,
    ),
    ...(architecture === undefined ? {} : { architecture: names[architecture] ?? architecture }),
  };
}
