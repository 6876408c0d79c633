/** The packages that are installed, from whichever list the distribution keeps. */
import type { InstalledSystem } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import type { PackageEntry } from '../../formats/package-lists/package-entry.ts';
import { readRpmDatabase, rpmDatabases } from '../../formats/package-lists/rpm.ts';
import { pacmanPackages, readApkInstalled, readDpkgStatus } from '../../formats/package-lists/stanzas.ts';
import { filesIn, readerAt } from './guest-text.ts';

export interface Packages {
  readonly kind: NonNullable<InstalledSystem['packages']>['kind'];
  readonly entries: readonly PackageEntry[];
}

const maxWalBytes = 64 * 1024 * 1024;

/** @throws AppError `corrupt`, `unsupported`. */
export async function readPackages(files: Files): Promise<Packages | undefined> {
  const dpkg = await readerAt(files, '/var/lib/dpkg/status');
  if (dpkg !== undefined && dpkg.size > 0) return { kind: 'dpkg', entries: await readDpkgStatus(dpkg) };
  for (const path of ['/lib/apk/db/installed', '/usr/lib/apk/db/installed']) {
    const apk = await readerAt(files, path);
    if (apk !== undefined) return { kind: 'apk', entries: await readApkInstalled(apk) };
  }
  for (const path of rpmDatabases) {
    const rpm = await readerAt(files, `/${path}`);
    if (rpm === undefined || rpm.size === 0) continue;
    const wal = path.endsWith('.sqlite') ? await files.read(`/${path}-wal`, maxWalBytes) : undefined;
    return { kind: 'rpm', entries: await readRpmDatabase(rpm, wal) };
  }
  const pacman = pacmanPackages(await files.list('/var/lib/pacman/local'));
  if (pacman.length > 0) return { kind: 'pacman', entries: pacman };
  // Images without a package manager of their own (distroless) have a file for each.
  const parts = await filesIn(files, '/var/lib/dpkg/status.d', (name) => !name.endsWith('.md5sums'));
  if (parts.length === 0) return undefined;
  const text = parts.map(({ content }) => content.toString('latin1')).join('\n\n');
  return { kind: 'dpkg', entries: await readDpkgStatus(Buffer.from(text, 'latin1')) };
}
