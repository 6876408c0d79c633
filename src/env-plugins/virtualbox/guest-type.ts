/** VirtualBox's ids of guest systems: `Debian12_64`, `Windows2019_64`, `Linux26_64`. Pure. */
import type { GuestSystem } from '../../model/machine.ts';

type Family = GuestSystem['family'];

/** Ids without `_64` that no pattern tells. */
const names: Readonly<Record<string, readonly [string, Family]>> = {
  WindowsNT: ['Windows NT', 'windows'],
  WindowsNT3x: ['Windows NT 3', 'windows'],
  WindowsNT4: ['Windows NT 4', 'windows'],
  WindowsMe: ['Windows Me', 'windows'],
  WindowsXP: ['Windows XP', 'windows'],
  WindowsVista: ['Windows Vista', 'windows'],
  Windows81: ['Windows 8.1', 'windows'],
  Windows2008: ['Windows Server 2008', 'windows'],
  Windows2000: ['Windows 2000', 'windows'],
  Linux26: ['Linux', 'linux'],
  Linux24: ['Linux, kernel 2.4', 'linux'],
  Linux22: ['Linux, kernel 2.2', 'linux'],
  RedHat: ['Red Hat Enterprise Linux', 'linux'],
  Oracle: ['Oracle Linux', 'linux'],
  OpenSUSE: ['openSUSE', 'linux'],
  ArchLinux: ['Arch Linux', 'linux'],
  MacOS: ['macOS', 'other'],
  DOS: ['DOS', 'other'],
  Other: ['Other', 'other'],
};

/** The digits of an id are its version. */
const patterns: readonly (readonly [RegExp, string, Family])[] = [
  [/^Windows(20\d\d)$/, 'Windows Server', 'windows'],
  [/^Windows(\d+)$/, 'Windows', 'windows'],
  [/^Debian(\d*)$/, 'Debian GNU/Linux', 'linux'],
  [/^Ubuntu(\d*)(?:_LTS)?$/, 'Ubuntu', 'linux'],
  [/^Xubuntu(\d*)$/, 'Xubuntu', 'linux'],
  [/^RedHat(\d*)$/, 'Red Hat Enterprise Linux', 'linux'],
  [/^Oracle(\d*)$/, 'Oracle Linux', 'linux'],
  [/^Fedora(\d*)$/, 'Fedora', 'linux'],
  [/^(?:OpenSUSE|SUSE|SUSELinux|SUSE_LE)(?:_\w+)?(\d*)$/, 'SUSE Linux', 'linux'],
  [/^(?:Gentoo|Mandriva|Turbolinux|Xandros|Linux)(\d*)$/, 'Linux', 'linux'],
  [/^FreeBSD(\d*)$/, 'FreeBSD', 'bsd'],
  [/^OpenBSD(\d*)$/, 'OpenBSD', 'bsd'],
  [/^NetBSD(\d*)$/, 'NetBSD', 'bsd'],
];

export function readGuestType(id: string): GuestSystem | undefined {
  if (!/^[\w.-]{1,64}$/.test(id)) return undefined;
  const [, plain = id, suffix] = /^(.*?)(_64|_x64|_arm64)?$/i.exec(id) ?? [];
  const architecture = /arm/i.test(suffix ?? '') ? 'aarch64' : suffix === undefined ? 'i686' : 'x86_64';
  // "Other" is what a machine is that nobody told anything of.
  if (plain === 'Other') return undefined;
  const known = names[plain];
  if (known !== undefined) return { name: known[0], family: known[1], architecture };
  for (const [pattern, name, family] of patterns) {
    const version = pattern.exec(plain)?.[1];
    if (version !== undefined)
      return { name: version === '' ? name : `${name} ${version}`, family, architecture };
  }
  return { name: plain, family: 'other', architecture };
}

/** An id that all versions since 5.1 know, or a closer one of those that the VirtualBox there has `known`. */
export function writeGuestType(
  system: GuestSystem | undefined,
  known: ReadonlySet<string> = new Set(),
): string {
  const suffix = system?.architecture === 'i686' ? '' : '_64';
  const plain = system === undefined ? 'Other' : plainType(system);
  const closer = system === undefined ? [] : closerTypes(system, plain).map((id) => id + suffix);
  return closer.find((id) => known.has(id)) ?? plain + suffix;
}

/** With the version: `Debian12`, `Ubuntu22_LTS`, `Windows2022`. */
function closerTypes({ name, family, version = '' }: GuestSystem, plain: string): string[] {
  if (family === 'windows') {
    const [, server] = /\b(20\d\d)\b/.exec(name) ?? [];
    return server === undefined ? (/\bwindows 11\b/i.test(name) ? ['Windows11'] : []) : [`Windows${server}`];
  }
  const [, major] = /\b(\d{1,4})\b/.exec(name) ?? /^(\d{1,4})\b/.exec(version) ?? [];
  return family === 'linux' && major !== undefined ? [`${plain}${major}_LTS`, `${plain}${major}`] : [];
}

function plainType({ name, family, architecture }: GuestSystem): string {
  const text = name.toLowerCase();
  if (family === 'windows') return windowsType(text, architecture === 'i686');
  if (family === 'bsd') return /openbsd/.test(text) ? 'OpenBSD' : /netbsd/.test(text) ? 'NetBSD' : 'FreeBSD';
  if (family === 'other') return 'Other';
  if (text.includes('ubuntu') || /linux mint/.test(text)) return 'Ubuntu';
  if (text.includes('debian')) return 'Debian';
  if (/red ?hat|rhel|centos|rocky|alma/.test(text)) return 'RedHat';
  if (text.includes('oracle')) return 'Oracle';
  if (text.includes('fedora')) return 'Fedora';
  if (text.includes('suse') || text.includes('sles')) return 'OpenSUSE';
  if (text.includes('gentoo')) return 'Gentoo';
  return /^arch/.test(text) ? 'ArchLinux' : 'Linux26';
}

/** The 32-bit ones have no server later than 2008. */
function windowsType(text: string, is32: boolean): string {
  if (/\bxp\b/.test(text)) return 'WindowsXP';
  if (/\bvista\b/.test(text)) return 'WindowsVista';
  if (/\bwindows 2000\b/.test(text)) return 'Windows2000';
  const [, server] = /\b(2003|2008|2012|2016|2019|2022|2025)\b/.exec(text) ?? [];
  if (server !== undefined && (server <= '2008' || !is32)) {
    // Later ones are ids of later versions of VirtualBox.
    return `Windows${server > '2016' ? '2016' : server}`;
  }
  if (/\bwindows 7\b/.test(text)) return 'Windows7';
  if (/\b8\.1\b/.test(text)) return 'Windows81';
  if (/\bwindows 8\b/.test(text)) return 'Windows8';
  return 'Windows10';
}
