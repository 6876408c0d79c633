/** The neutral machine of a container. */
import { posix } from 'node:path';
import type { Finding } from '../../model/finding.ts';
import type { GuestSystem, Machine, MachineDisk, Nic, PowerState } from '../../model/machine.ts';
import { type Conf, memoryBytes, parameterLists, processorCount, wordsOf } from './conf.ts';
import { type Container, type ContainerDisk, rootHint } from './container.ts';
import { descriptorName } from './ploop.ts';

/** The one disk of a container whose private area is a folder. */
export const folderDiskId = 'root';

/** `status` as the tools say it; undefined where they are not there. */
export function machineOf(container: Container, status: string | undefined): Machine {
  const { ctid, conf } = container;
  const processors = processorCount(conf);
  const memory = memoryBytes(conf);
  const system = systemOf(conf);
  const bound = boundOf(container);
  const description = conf.get('DESCRIPTION');
  return {
    id: ctid,
    name: conf.get('NAME') || conf.get('HOSTNAME') || ctid,
    state: powerOf(status),
    packaging: 'OpenVZ container',
    ...(system === undefined ? {} : { system }),
    ...(processors === undefined ? {} : { processors: { count: processors } }),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    disks: disksOf(container),
    nics: nicsOf(conf),
    ...(bound.length === 0 ? {} : { devices: { bound } }),
    ...(description ? { description } : {}),
    findings: findingsOf(container, status),
  };
}

/** One that is mounted is not off: the host may write to it. */
export const powerOf = (status: string | undefined): PowerState =>
  status === 'stopped'
    ? 'off'
    : status === 'suspended'
      ? 'suspended'
      : status === 'running' || status === 'paused' || status === 'mounted'
        ? 'running'
        : 'unknown';

function disksOf(container: Container): MachineDisk[] {
  if (container.layout === 'simfs') {
    return [
      {
        id: folderDiskId,
        name: posix.basename(container.privateArea!),
        format: 'raw',
        costly: true,
        bus: 'virtio',
        files: [container.privateArea!],
        bootable: true,
      },
    ];
  }
  return container.disks.map((disk) => ploopDisk(disk, container));
}

function ploopDisk({ id, ploop, isRoot }: ContainerDisk, { privateArea }: Container): MachineDisk {
  return {
    id,
    name: posix.basename(ploop.folder),
    format: 'parallels',
    ...(ploop.sizeBytes === undefined ? {} : { virtualSizeBytes: ploop.sizeBytes }),
    bus: 'virtio',
    files: [
      posix.join(ploop.folder, descriptorName),
      ...ploop.images.map((image) => image.path).filter((path) => path.startsWith(`${privateArea}/`)),
    ],
    ...(isRoot ? { bootable: true } : {}),
  };
}

/** venet is no Ethernet: it becomes one NIC, whose address is chosen at the destination. */
function nicsOf(conf: Conf): Nic[] {
  const veth = parameterLists(conf.get('NETIF')).map((nic): Nic => {
    const mac = (nic.get('mac') ?? '').toLowerCase();
    const network = nic.get('bridge') || nic.get('network');
    return {
      ...(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) ? { mac } : {}),
      ...(network ? { network } : {}),
    };
  });
  return wordsOf(conf.get('IP_ADDRESS')).length > 0 ? [{ network: 'venet0' }, ...veth] : veth;
}

const systemNames: Readonly<Record<string, string>> = {
  almalinux: 'AlmaLinux',
  altlinux: 'ALT Linux',
  arch: 'Arch Linux',
  centos: 'CentOS',
  debian: 'Debian GNU/Linux',
  fedora: 'Fedora',
  gentoo: 'Gentoo',
  opensuse: 'openSUSE',
  redhat: 'Red Hat Enterprise Linux',
  rhel: 'Red Hat Enterprise Linux',
  scientific: 'Scientific Linux',
  slackware: 'Slackware',
  sles: 'SUSE Linux Enterprise Server',
  suse: 'openSUSE',
  ubuntu: 'Ubuntu',
  vzlinux: 'VzLinux',
};

/** A guess from the template's name: `debian-8.0-x86_64`, `.centos-7`. */
function systemOf(conf: Conf): GuestSystem | undefined {
  const hostname = conf.get('HOSTNAME');
  const [, id = '', version, architecture] =
    /^\.?([a-z]+)[a-z-]*?(?:-(\d[\d.]*))?(?:-(x86_64|amd64|i[3-6]86|x86))?(?:-|$)/.exec(
      conf.get('OSTEMPLATE') ?? '',
    ) ?? [];
  if (id === '' && !hostname) return undefined;
  const name = systemNames[id] ?? (id || 'Linux');
  return {
    name: version === undefined ? name : `${name} ${version}`,
    family: 'linux',
    ...(version === undefined ? {} : { version }),
    ...(architecture === undefined
      ? {}
      : { architecture: architecture === 'amd64' ? 'x86_64' : architecture.replace(/^x86$/, 'i686') }),
    ...(hostname ? { hostname } : {}),
  };
}

const boundOf = ({ conf, devices }: Container): string[] => [
  ...wordsOf(conf.get('DEVNODES')).map((word) => `device node ${word}`),
  ...wordsOf(conf.get('DEVICES')).map((word) => `device ${word}`),
  ...wordsOf(conf.get('NETDEV')).map((word) => `network device ${word} of the host`),
  ...wordsOf(conf.get('PCI')).map((word) => `PCI ${word}`),
  ...devices.map((path) => `block device ${path} of the host`),
];

function findingsOf(container: Container, status: string | undefined): Finding[] {
  const { conf, layout, privateArea, disks, scripts } = container;
  const findings: Finding[] = [noKernel, ownInit];
  const bare = disks.filter((disk) => disk.isRoot && disk.partitioned === false);
  if (layout === 'simfs') findings.push(noTable(privateArea!), fromFolder(privateArea!));
  for (const disk of bare) findings.push(noTable(disk.ploop.folder));
  for (const disk of disks) if (disk.encrypted) findings.push(encrypted(disk.ploop.folder));
  if (layout === 'vzfs') findings.push(vzfs(privateArea!));
  if (layout === 'missing') findings.push(noDisk(container));
  const addresses = wordsOf(conf.get('IP_ADDRESS'));
  if (addresses.length > 0) findings.push(venet(addresses));
  if (scripts.length > 0) findings.push(ownScripts(scripts));
  if (powerOf(status) === 'running' && layout === 'simfs') findings.push(changesWhileRead);
  if (status === 'mounted') findings.push(mounted);
  if (powerOf(status) === 'unknown') findings.push(unknownState(status));
  return findings;
}

const noKernel: Finding = {
  rule: 'openvz.no-kernel',
  severity: 'warning',
  message: "it has no kernel and no bootloader: it runs on its host's",
  remedy:
    'let a partition table, GRUB and a kernel of this computer be put around it: --partition-table mbr --kernel /boot/vmlinuz-…; or let the destination start it with a kernel file of its own',
};

const ownInit: Finding = {
  rule: 'openvz.init-differs',
  severity: 'note',
  message:
    'what starts in a container is less than in a machine: consoles (getty), udev, /etc/fstab and the network may have to be set up',
  remedy:
    'enable a getty on the console, write / into /etc/fstab, and check the configuration of the network',
};

const noTable = (evidence: string): Finding => ({
  rule: 'openvz.no-partition-table',
  severity: 'warning',
  message: 'it is a bare filesystem without a partition table: other environments can not start from it',
  evidence,
  remedy:
    'let a partition table be put around it: "Partition table" on the Configuration screen, --partition-table mbr on the command line',
});

const fromFolder = (evidence: string): Finding => ({
  rule: 'openvz.folder',
  severity: 'note',
  message: 'its private area is a folder (simfs), not a disk: it is put into a new ext4 filesystem',
  evidence,
});

const encrypted = (evidence: string): Finding => ({
  rule: 'openvz.encrypted',
  severity: 'blocker',
  message: 'this disk is encrypted with a key of the host',
  evidence,
  remedy: 'decrypt it there first (prlctl set CT --device-set hdd0 --decrypt)',
});

const vzfs = (evidence: string): Finding => ({
  rule: 'openvz.vzfs',
  severity: 'blocker',
  message: 'its private area is a Virtuozzo filesystem (VZFS), whose files are links to templates',
  evidence,
  remedy: 'convert it there to ploop or simfs first (vzmlocal, vzctl convert)',
});

function noDisk({ privateArea, conf, trouble, ctid }: Container): Finding {
  return {
    rule: 'openvz.no-private-area',
    severity: 'blocker',
    message:
      trouble === undefined
        ? 'there is no disk and no root folder in its private area'
        : `its private area can't be read: ${trouble.words}`,
    evidence: privateArea ?? conf.get('VE_PRIVATE') ?? ctid,
    remedy:
      trouble === undefined
        ? 'check VE_PRIVATE in its configuration, and that its storage is mounted'
        : trouble.rootWouldDo
          ? rootHint
          : 'repair its disk there (ploop check), or restore its DiskDescriptor.xml',
  };
}

const venet = (addresses: readonly string[]): Finding => ({
  rule: 'openvz.venet',
  severity: 'warning',
  message: `its network is venet, which has no MAC address and no Ethernet: ${addresses.join(', ')}`,
  evidence: 'IP_ADDRESS',
  remedy: 'give these addresses to an Ethernet interface inside it once it is moved',
});

const ownScripts = (scripts: readonly string[]): Finding => ({
  rule: 'openvz.scripts',
  severity: 'warning',
  message:
    'scripts of the host belong to it, which may mount folders of the host into it; they are not carried',
  evidence: scripts.join(', '),
  remedy: 'read them, and do inside the machine what is still needed',
});

const changesWhileRead: Finding = {
  rule: 'openvz.changes-while-read',
  severity: 'warning',
  message:
    'it runs, and its folder has no snapshots: files that change meanwhile are carried half old, half new',
  remedy: 'stop it first (vzctl stop)',
};

const mounted: Finding = {
  rule: 'openvz.mounted',
  severity: 'note',
  message: 'it does not run, but is mounted on its host, which may write to it',
  remedy: 'unmount it first (vzctl umount)',
};

const unknownState = (status: string | undefined): Finding => ({
  rule: 'openvz.state-unknown',
  severity: 'warning',
  message:
    status === undefined
      ? 'the tools there do not tell whether it runs: if it does, what is read is broken'
      : `its state is "${status}": if it runs, what is read is broken`,
  remedy: 'make sure that it is stopped, and that nothing has it mounted',
});
