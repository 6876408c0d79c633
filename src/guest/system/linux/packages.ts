/** The packages that are installed, from whichever list the distribution keeps. */
import type { InstalledSystem } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import type { PackageEntry } from '../../formats/package-lists/package-entry.ts';
import { chosenFromRpm, readRpmDatabase, rpmDatabases } from '../../formats/package-lists/rpm.ts';
import { pacmanPackages, readApkInstalled, readDpkgStatus } from '../../formats/package-lists/stanzas.ts';
import { filesIn, readerAt } from './guest-text.ts';

export interface Packages {
  readonly kind: NonNullable<InstalledSystem['packages']>['kind'];
  /** Of all. */
  readonly count: number;
  readonly entries: readonly PackageEntry[];
}

type Wanted = (name: string) => boolean;

const maxWalBytes = 64 * 1024 * 1024;

/** Entries of all packages, or of the `wanted` ones alone. @throws AppError `corrupt`, `unsupported`. */
export async function readPackages(files: Files, wanted?: Wanted): Promise<Packages | undefined> {
  const found = await rpmPackages(files, wanted);
  if (found !== undefined) return found;
  const all = await otherPackages(files);
  if (all === undefined) return undefined;
  const { kind, entries } = all;
  return { kind, count: entries.length, entries: entries.filter(({ name }) => wanted?.(name) ?? true) };
}

async function rpmPackages(files: Files, wanted: Wanted | undefined): Promise<Packages | undefined> {
  if (await hasDpkg(files)) return undefined;
  for (const path of rpmDatabases) {
    const rpm = await readerAt(files, `/${path}`);
    if (rpm === undefined || rpm.size === 0) continue;
    const wal = path.endsWith('.sqlite') ? await files.read(`/${path}-wal`, maxWalBytes) : undefined;
    const chosen = wanted && (await chosenFromRpm(rpm, wal, wanted));
    if (chosen !== undefined) return { kind: 'rpm', ...chosen };
    const entries = await readRpmDatabase(rpm, wal);
    return {
      kind: 'rpm',
      count: entries.length,
      entries: entries.filter(({ name }) => wanted?.(name) ?? true),
    };
  }
  return undefined;
}

const dpkgStatus = '/var/lib/dpkg/status';

const hasDpkg = async (files: Files) => ((await files.stat(dpkgStatus))?.size ?? 0) > 0;

async function otherPackages(files: Files): Promise<Omit<Packages, 'count'> | undefined> {
  const dpkg = (await hasDpkg(files)) ? await readerAt(files, dpkgStatus) : undefined;
  if (dpkg !== undefined) return { kind: 'dpkg', entries: await readDpkgStatus(dpkg) };
  for (const path of ['/lib/apk/db/installed', '/usr/lib/apk/db/installed']) {
    const apk = await readerAt(files, path);
    if (apk !== undefined) return { kind: 'apk', entries: await readApkInstalled(apk) };
  }
  const pacman = pacmanPackages(await files.list('/var/lib/pacman/local'));
  if (pacman.length > 0) return { kind: 'pacman', entries: pacman };
  // Images without a package manager of their own (distroless) have a file for each.
  const parts = await filesIn(files, '/var/lib/dpkg/status.d', (name) => !name.endsWith('.md5sums'));
  if (parts.length === 0) return undefined;
  const text = parts.map(({ content }) => content.toString('latin1')).join('\n\n');
  return { kind: 'dpkg', entries: await readDpkgStatus(Buffer.from(text, 'latin1')) };
}
