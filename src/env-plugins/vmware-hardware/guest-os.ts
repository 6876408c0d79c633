/**
 * VMware's ids of guest systems. Read by their shape, as each product adds some: `debian12-64`, `windows2019srv-64`.
 * Written only where the hardware version's product knows the id, for another one is a question at each start.
 */
import type { GuestSystem } from '../../model/machine.ts';

type Family = GuestSystem['family'];

/** Whole ids without `-64` that no pattern tells. */
const names: Readonly<Record<string, readonly [string, Family]>> = {
  windows9: ['Windows 10', 'windows'],
  windows9srv: ['Windows Server 2016', 'windows'],
  windows2019srv: ['Windows Server 2019', 'windows'],
  windows2019srvnext: ['Windows Server 2022', 'windows'],
  windows2022srvnext: ['Windows Server 2025', 'windows'],
  windows8srv: ['Windows Server 2012', 'windows'],
  windows7srv: ['Windows Server 2008 R2', 'windows'],
  longhorn: ['Windows Server 2008', 'windows'],
  winvista: ['Windows Vista', 'windows'],
  winxppro: ['Windows XP Professional', 'windows'],
  winxphome: ['Windows XP Home', 'windows'],
  winnetstandard: ['Windows Server 2003 Standard', 'windows'],
  winnetenterprise: ['Windows Server 2003 Enterprise', 'windows'],
  winnetweb: ['Windows Server 2003 Web', 'windows'],
  winnetbusiness: ['Windows Small Business Server 2003', 'windows'],
  winnetdatacenter: ['Windows Server 2003 Datacenter', 'windows'],
  win2000pro: ['Windows 2000 Professional', 'windows'],
  win2000serv: ['Windows 2000 Server', 'windows'],
  win2000advserv: ['Windows 2000 Advanced Server', 'windows'],
  winnt: ['Windows NT', 'windows'],
  winme: ['Windows Me', 'windows'],
  win98: ['Windows 98', 'windows'],
  win95: ['Windows 95', 'windows'],
  win31: ['Windows 3.1', 'windows'],
  dos: ['MS-DOS', 'other'],
  winhyperv: ['Hyper-V Server', 'windows'],
  other: ['Other', 'other'],
  os2: ['OS/2', 'other'],
  ecomstation: ['eComStation', 'other'],
  linux: ['Linux', 'linux'],
  otherlinux: ['Linux', 'linux'],
  mandrake: ['Mandrake Linux', 'linux'],
  redhat: ['Red Hat Linux', 'linux'],
  suse: ['SUSE Linux', 'linux'],
  nld9: ['Novell Linux Desktop 9', 'linux'],
  'vmware-photon': ['Photon OS', 'linux'],
};

/** The rest of the id after the word is its version. */
const patterns: readonly [RegExp, string, Family][] = [
  [/^windows(\d+)/, 'Windows', 'windows'],
  [/^debian(\d*)/, 'Debian GNU/Linux', 'linux'],
  [/^ubuntu(\d*)/, 'Ubuntu', 'linux'],
  [/^rhel(\d*)/, 'Red Hat Enterprise Linux', 'linux'],
  [/^centos(\d*)/, 'CentOS', 'linux'],
  [/^rockylinux(\d*)/, 'Rocky Linux', 'linux'],
  [/^almalinux(\d*)/, 'AlmaLinux', 'linux'],
  [/^oraclelinux(\d*)/, 'Oracle Linux', 'linux'],
  [/^amazonlinux(\d*)/, 'Amazon Linux', 'linux'],
  [/^fedora(\d*)/, 'Fedora', 'linux'],
  [/^opensuse(\d*)/, 'openSUSE', 'linux'],
  [/^sles(\d*)/, 'SUSE Linux Enterprise', 'linux'],
  [/^sjds()/, 'Sun Java Desktop System', 'linux'],
  [/^asianux(\d*)/, 'Asianux', 'linux'],
  [/^(?:mandriva|turbolinux|coreos|photon|crxsys1)()/, 'Linux', 'linux'],
  [/^other(\d)x?linux/, 'Linux, kernel', 'linux'],
  [/^freebsd(\d*)/, 'FreeBSD', 'bsd'],
  [/^darwin(\d*)/, 'macOS, Darwin', 'bsd'],
  [/^solaris(\d*)/, 'Solaris', 'other'],
  [/^netware(\d*)/, 'NetWare', 'other'],
  [/^(?:openserver|unixware)(\d*)/, 'SCO UNIX', 'other'],
  [/^vmkernel(\d*)/, 'VMware ESXi', 'other'],
];

/** They have no 32-bit edition, and some products leave `-64` out. */
const onlyWide = /^(windows\d+srv|winhyperv|windows1[1-9]|rhel[789]|rhel1\d|centos[89]|photon|vmware-photon)/;

export function readGuestOs(guestOS: string): GuestSystem | undefined {
  const id = guestOS.trim().toLowerCase();
  if (id === '' || id.length > 64) return undefined;
  const arm = id.startsWith('arm-');
  const plain = id
    .replace(/^arm-/, '')
    .replace(/-64$/, '')
    .replace(/guest$/, '');
  const wide = /-64$/.test(id) || onlyWide.test(plain);
  const architecture = arm ? 'aarch64' : wide ? 'x86_64' : 'i686';
  const [name, family] = names[plain] ?? byPattern(plain) ?? [guestOS.trim(), 'other'];
  return { name, family, architecture };
}

function byPattern(id: string): readonly [string, Family] | undefined {
  const kernel2 = /^other2(\d)xlinux/.exec(id);
  if (kernel2 !== null) return [`Linux, kernel 2.${kernel2[1]}`, 'linux'];
  for (const [pattern, name, family] of patterns) {
    const version = pattern.exec(id)?.[1];
    if (version === undefined) continue;
    return [version === '' ? name : `${name} ${version}`, family];
  }
  return undefined;
}

interface WrittenId {
  /** What the system is called, in lower case. */
  readonly pattern: RegExp;
  readonly family: Family;
  /** The lowest virtual hardware whose products know the id; the first that fits is taken. */
  readonly ids: readonly (readonly [hardware: number, id: string])[];
  /** It has only one width. */
  readonly only?: '32' | '64';
}

/** The newest first, and in a row those that older products take for it. */
const written: readonly WrittenId[] = [
  {
    pattern: /2025/,
    family: 'windows',
    only: '64',
    ids: [
      [21, 'windows2022srvNext'],
      [16, 'windows2019srv'],
      [10, 'windows8srv'],
      [7, 'windows7srv'],
    ],
  },
  {
    pattern: /2022/,
    family: 'windows',
    only: '64',
    ids: [
      [19, 'windows2019srvNext'],
      [16, 'windows2019srv'],
      [10, 'windows8srv'],
      [7, 'windows7srv'],
    ],
  },
  {
    pattern: /2019/,
    family: 'windows',
    only: '64',
    ids: [
      [16, 'windows2019srv'],
      [12, 'windows9srv'],
      [8, 'windows8srv'],
      [7, 'windows7srv'],
    ],
  },
  {
    pattern: /2016/,
    family: 'windows',
    only: '64',
    ids: [
      [12, 'windows9srv'],
      [8, 'windows8srv'],
      [7, 'windows7srv'],
    ],
  },
  {
    pattern: /2012/,
    family: 'windows',
    only: '64',
    ids: [
      [8, 'windows8srv'],
      [7, 'windows7srv'],
    ],
  },
  { pattern: /2008 ?r2/, family: 'windows', only: '64', ids: [[7, 'windows7srv']] },
  { pattern: /2008/, family: 'windows', ids: [[4, 'longhorn']] },
  { pattern: /2003/, family: 'windows', ids: [[3, 'winNetStandard']] },
  { pattern: /2000/, family: 'windows', only: '32', ids: [[3, 'win2000Pro']] },
  {
    pattern: /windows 11/,
    family: 'windows',
    only: '64',
    ids: [
      [19, 'windows11'],
      [11, 'windows9'],
      [8, 'windows8'],
      [7, 'windows7'],
    ],
  },
  {
    pattern: /windows 10/,
    family: 'windows',
    ids: [
      [11, 'windows9'],
      [8, 'windows8'],
      [7, 'windows7'],
    ],
  },
  {
    pattern: /windows 8/,
    family: 'windows',
    ids: [
      [8, 'windows8'],
      [7, 'windows7'],
    ],
  },
  {
    pattern: /windows 7/,
    family: 'windows',
    ids: [
      [7, 'windows7'],
      [4, 'winVista'],
    ],
  },
  { pattern: /vista/, family: 'windows', ids: [[4, 'winVista']] },
  { pattern: /\bxp\b/, family: 'windows', ids: [[3, 'winXPPro']] },
  {
    pattern: /./,
    family: 'windows',
    ids: [
      [8, 'windows8'],
      [7, 'windows7'],
      [3, 'winXPPro'],
    ],
  },
  { pattern: /ubuntu/, family: 'linux', ids: [[4, 'ubuntu']] },
  {
    pattern: /debian.*\b1[2-9]\b/,
    family: 'linux',
    ids: [
      [20, 'debian12'],
      [14, 'debian10'],
      [8, 'debian6'],
      [3, 'other26xLinux'],
    ],
  },
  {
    pattern: /debian.*\b1[01]\b/,
    family: 'linux',
    ids: [
      [14, 'debian10'],
      [8, 'debian6'],
      [3, 'other26xLinux'],
    ],
  },
  {
    pattern: /debian/,
    family: 'linux',
    ids: [
      [8, 'debian6'],
      [3, 'other26xLinux'],
    ],
  },
  {
    pattern: /(red ?hat|rhel).*\b9\b/,
    family: 'linux',
    only: '64',
    ids: [
      [19, 'rhel9'],
      [16, 'rhel8'],
      [10, 'rhel7'],
      [7, 'rhel6'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /(red ?hat|rhel|rocky|alma).*\b8\b/,
    family: 'linux',
    only: '64',
    ids: [
      [16, 'rhel8'],
      [10, 'rhel7'],
      [7, 'rhel6'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /(red ?hat|rhel).*\b7\b/,
    family: 'linux',
    only: '64',
    ids: [
      [10, 'rhel7'],
      [7, 'rhel6'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /(red ?hat|rhel).*\b6\b/,
    family: 'linux',
    ids: [
      [7, 'rhel6'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /red ?hat enterprise|rhel/,
    family: 'linux',
    ids: [
      [4, 'rhel5'],
      [3, 'rhel4'],
    ],
  },
  {
    pattern: /centos|rocky|alma/,
    family: 'linux',
    ids: [
      [8, 'centos'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /oracle/,
    family: 'linux',
    ids: [
      [8, 'oraclelinux'],
      [4, 'rhel5'],
    ],
  },
  {
    pattern: /fedora/,
    family: 'linux',
    ids: [
      [9, 'fedora'],
      [3, 'other26xLinux'],
    ],
  },
  {
    pattern: /opensuse/,
    family: 'linux',
    ids: [
      [8, 'opensuse'],
      [4, 'suse'],
    ],
  },
  {
    pattern: /suse|sles/,
    family: 'linux',
    ids: [
      [8, 'sles11'],
      [4, 'sles10'],
      [3, 'sles'],
    ],
  },
  {
    pattern: /./,
    family: 'linux',
    ids: [
      [20, 'other6xlinux'],
      [18, 'other5xlinux'],
      [14, 'other4xlinux'],
      [10, 'other3xlinux'],
      [3, 'other26xLinux'],
    ],
  },
  { pattern: /freebsd/, family: 'bsd', ids: [[3, 'freebsd']] },
  { pattern: /./, family: 'bsd', ids: [[3, 'freebsd']] },
  { pattern: /solaris/, family: 'other', ids: [[3, 'solaris10']] },
];

/** `hardware`: the virtual hardware version that the machine gets. */
export function writeGuestOs(system: GuestSystem | undefined, hardware: number): string {
  if (system === undefined) return 'other-64';
  const name = system.name.toLowerCase();
  const row = written.find(({ family, pattern }) => family === system.family && pattern.test(name));
  const id =
    row?.ids.find(([least]) => hardware >= least)?.[1] ??
    (system.family === 'windows' ? 'winXPPro' : 'other');
  const wide =
    row?.only === undefined ? !/^(i[3-6]86|x86)$/.test(system.architecture ?? '') : row.only === '64';
  return wide ? `${id}-64` : id;
}
