/** The system that a domain was made for: libosinfo's id in its metadata, as virt-manager and virt-install write it. */
import { attribute, child, type XmlElement } from '../../io/xml.ts';
import type { GuestSystem } from '../../model/machine.ts';

/** `http://debian.org/debian/12` and its like; undefined where nothing is said. */
export function readSystem(root: XmlElement, os: XmlElement): GuestSystem | undefined {
  const metadata = child(root, 'metadata');
  const id = metadata?.children
    .filter((c) => c.local === 'libosinfo')
    .flatMap((c) => c.children)
    .filter((c) => c.local === 'os')
    .map((c) => attribute(c, 'id'))
    .find((text) => text !== undefined);
  const type = child(os, 'type');
  const architecture = type && attribute(type, 'arch');
  const [, vendor, product, version] = /^https?:\/\/([^/]+)\/([^/]+)(?:\/(.*))?$/.exec(id ?? '') ?? [];
  if (vendor === undefined || product === undefined) return undefined;
  const family = familyOf(vendor, product);
  const shown = family === 'windows' ? windowsVersion(version ?? '') : (version ?? '');
  const name = [names[product] ?? capitalized(product), shown].filter((part) => part !== '').join(' ');
  return {
    name,
    family,
    ...(version === undefined || version === '' || version === 'unknown' ? {} : { version }),
    ...(architecture === undefined ? {} : { architecture }),
  };
}

const names: Record<string, string> = {
  almalinux: 'AlmaLinux',
  centos: 'CentOS',
  'centos-stream': 'CentOS Stream',
  debian: 'Debian GNU/Linux',
  freebsd: 'FreeBSD',
  netbsd: 'NetBSD',
  ol: 'Oracle Linux',
  openbsd: 'OpenBSD',
  opensuse: 'openSUSE',
  rhel: 'Red Hat Enterprise Linux',
  rocky: 'Rocky Linux',
  sle: 'SUSE Linux Enterprise',
  sles: 'SUSE Linux Enterprise Server',
  win: 'Windows',
};

const capitalized = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

function familyOf(vendor: string, product: string): GuestSystem['family'] {
  if (vendor === 'microsoft.com') return 'windows';
  if (/bsd|dragonfly|macosx/.test(product)) return 'bsd';
  return /dos|solaris|illumos|haiku|netware|minix|os2|android-x86|unknown/.test(product) ? 'other' : 'linux';
}

/** `2k19` → `Server 2019`, `10` → `10`, `xp` → `XP`. */
function windowsVersion(id: string): string {
  const [, year, r2] = /^2k(\d{1,2})(r2)?$/.exec(id) ?? [];
  if (year !== undefined && id !== '2k')
    return `Server ${2000 + Number(year)}${r2 === undefined ? '' : ' R2'}`;
  return { xp: 'XP', vista: 'Vista', '2k': '2000', me: 'Me', nt: 'NT' }[id] ?? id;
}
