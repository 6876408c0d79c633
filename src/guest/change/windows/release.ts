/** Which Windows it is, in the words of folders of drivers. */
import type { InstalledSystem } from '../../../model/guest-report.ts';
import type { WindowsRelease } from './context.ts';

const architectures: Readonly<Record<string, WindowsRelease['architecture']>> = {
  x86_64: 'amd64',
  i686: 'x86',
  aarch64: 'arm64',
};

/** Undefined where too little is known. */
export function releaseOf({ architecture = '', windows, name }: InstalledSystem): WindowsRelease | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(windows?.version ?? '') ?? [];
  const known = architectures[architecture];
  if (major === undefined || known === undefined) return undefined;
  return {
    major: Number(major),
    minor: Number(minor),
    build: windows?.build ?? 0,
    isServer: /^Server/i.test(windows?.edition ?? '') || /\bServer\b/i.test(name),
    architecture: known,
  };
}

/** First builds of the servers, and what virtio-win calls them; newest first. */
const servers: readonly (readonly [build: number, folder: string])[] = [
  [26100, '2k25'],
  [20348, '2k22'],
  [17763, '2k19'],
  [0, '2k16'],
];

/** virtio-win's folders for this Windows, the best first: a driver for an older one of the same kind serves too. */
export function driverFolders({ major, minor, build, isServer }: WindowsRelease): string[] {
  if (major >= 10) {
    const clients = build >= 22000 ? ['w11', 'w10'] : ['w10'];
    if (!isServer) return clients;
    return servers
      .filter(([first]) => build >= first || first === 0)
      .map(([, folder]) => folder)
      .concat('w10');
  }
  const old: Readonly<Record<string, readonly [client: string, server: string]>> = {
    '6.3': ['w8.1', '2k12R2'],
    '6.2': ['w8', '2k12'],
    '6.1': ['w7', '2k8R2'],
    '6.0': ['2k8', '2k8'],
    '5.2': ['2k3', '2k3'],
    '5.1': ['xp', 'xp'],
  };
  const found = old[`${major}.${minor}`];
  if (found === undefined) return [];
  return isServer ? [found[1], found[0]] : [found[0], found[1]];
}
