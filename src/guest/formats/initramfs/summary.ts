/** What an initramfs brings: its drivers, kernels, configuration, and which tool made it. */
import { moduleName } from '../kernel/module-name.ts';
import type { Reader } from '../reader.ts';
import { type ArchiveEntry, fileKind } from './cpio.ts';
import { readInitramfs, type Segment } from './read-initramfs.ts';

export type InitramfsGenerator =
  | 'dracut'
  | 'initramfs-tools'
  | 'mkinitcpio'
  | 'mkinitfs'
  | 'booster'
  | 'mkinitrd'
  | 'unknown';

export interface InitramfsSummary {
  readonly segments: readonly Segment[];
  readonly generator: InitramfsGenerator;
  /** Names of modules, `-` written as `_`, sorted. */
  readonly drivers: readonly string[];
  /** Folders below lib/modules. */
  readonly kernelVersions: readonly string[];
  readonly entryCount: number;
  /** False where a segment could not be read, so that drivers may be missing here. */
  readonly complete: boolean;
  /** Configuration and modules.dep by their path. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** What each tool leaves in what it makes, most telling first. */
const marks: readonly (readonly [InitramfsGenerator, RegExp])[] = [
  ['booster', /^etc\/booster\.init\.yaml$/],
  ['dracut', /^(?:usr\/)?lib\/dracut(?:\/|$)|^dracut-state\.sh$/],
  ['mkinitcpio', /^(?:buildconfig|init_functions|hooks\/|VERSION$)/],
  ['mkinitfs', /^(?:\.modloop|etc\/mkinitfs)(?:\/|$)/],
  ['initramfs-tools', /^(?:conf\/initramfs\.conf|scripts\/functions)$/],
  ['mkinitrd', /^(?:bin\/nash|run_all\.sh|mkinitrd\.config)$/],
];

const wantedFile =
  /^(?:conf\/.+|config|buildconfig|etc\/(?:modules|modprobe\.d\/.+|initrd-release|crypttab|fstab|cmdline|cmdline\.d\/.+|booster\.init\.yaml)|(?:usr\/)?lib\/modules\/[^/]+\/modules\.(?:dep|builtin|order)|(?:usr\/)?lib\/dracut\/(?:build-parameter\.txt|modules\.txt))$/;
const maxFileBytes = 2 * 1024 * 1024;
const maxFilesBytes = 16 * 1024 * 1024;

const isFile = ({ mode }: ArchiveEntry) => (mode & fileKind.mask) === fileKind.file;

/** @throws AppError `corrupt`, `unsupported`, `cancelled`. */
export async function summariseInitramfs(
  bytes: Buffer | Reader,
  signal?: AbortSignal,
): Promise<InitramfsSummary> {
  const segments: Segment[] = [];
  const drivers = new Set<string>();
  const kernelVersions = new Set<string>();
  const files = new Map<string, Buffer>();
  let generator: InitramfsGenerator = 'unknown';
  let entryCount = 0;
  let keptBytes = 0;
  const wanted = (entry: ArchiveEntry) =>
    isFile(entry) &&
    entry.size <= Math.min(maxFileBytes, maxFilesBytes - keptBytes) &&
    wantedFile.test(entry.name);
  for await (const found of readInitramfs(bytes, { wanted, ...(signal === undefined ? {} : { signal }) })) {
    if (found.kind === 'segment') {
      segments.push(found.segment);
      continue;
    }
    const { name, content } = found.entry;
    entryCount++;
    if (generator === 'unknown') generator = marks.find(([, mark]) => mark.test(name))?.[0] ?? 'unknown';
    const version = /^(?:usr\/)?lib\/modules\/([^/]+)\//.exec(name)?.[1];
    if (version !== undefined) kernelVersions.add(version);
    const driver = moduleName(name);
    if (driver !== undefined) drivers.add(driver);
    if (content !== undefined) {
      files.set(name, content);
      keptBytes += content.length;
    }
  }
  return {
    segments,
    generator,
    drivers: [...drivers].sort(),
    kernelVersions: [...kernelVersions].sort(),
    entryCount,
    complete: segments.every(({ packing }) => packing !== 'lzo' && packing !== 'unknown'),
    files,
  };
}
