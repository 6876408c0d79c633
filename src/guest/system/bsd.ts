/** A BSD by the files of its root, where the filesystem is one that is read here (a root on ext2, a boot volume). */
import type { InstalledSystem } from '../../model/guest-report.ts';
import type { Files } from '../filesystems/files.ts';
import { given } from '../text.ts';
import type { SystemContext } from './read-system.ts';
import { firstLine, parseOsRelease } from './text-files.ts';

const marks: readonly (readonly [path: string, name: string])[] = [
  ['/bin/freebsd-version', 'FreeBSD'],
  ['/etc/freebsd-update.conf', 'FreeBSD'],
  ['/bsd', 'OpenBSD'],
  ['/netbsd', 'NetBSD'],
];

export async function bsdSystem(files: Files, { root }: SystemContext): Promise<InstalledSystem | undefined> {
  for (const [path, name] of marks) {
    if ((await files.stat(path))?.kind !== 'file') continue;
    const script = (await files.read(path, 64 * 1024))?.toString('latin1') ?? '';
    const version = /^USERLAND_VERSION="?([0-9][\w.-]*)"?$/m.exec(script)?.[1];
    const conf = parseShell((await files.read('/etc/rc.conf', 64 * 1024))?.toString('utf8') ?? '');
    const myname = firstLine((await files.read('/etc/myname', 1024))?.toString('utf8') ?? '');
    return {
      name: version === undefined ? name : `${name} ${version}`,
      family: 'bsd',
      ...given('version', version),
      ...given('hostname', conf ?? myname),
      rootPartition: root.partition?.number ?? 0,
      confidence: 'high',
      evidence: [path],
      kernels: [],
      mounts: [],
    };
  }
  return undefined;
}

const parseShell = (text: string): string | undefined =>
  parseOsRelease(text.replace(/^hostname=/m, 'HOSTNAME=')).HOSTNAME;
