/** Guest tools of hypervisors and agents, by package and by file. */
import type { GuestTools } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import type { PackageEntry } from '../../formats/package-lists/package-entry.ts';
import { isThere } from './guest-text.ts';

interface Known {
  readonly id: string;
  readonly packages: RegExp;
  /** Where installers that are no packages put them. */
  readonly files: readonly string[];
}

const known: readonly Known[] = [
  { id: 'open-vm-tools', packages: /^open-vm-tools$/, files: ['/usr/bin/vmtoolsd'] },
  {
    id: 'vmware-tools',
    packages: /^(?:vmware-tools(?:-core|-esx(?:-nox)?)?|VMwareTools)$/,
    files: ['/etc/vmware-tools/locations', '/usr/bin/vmware-uninstall-tools.pl'],
  },
  {
    id: 'virtualbox-additions',
    packages:
      /^(?:virtualbox-guest-(?:utils|x11|additions|dkms)|VirtualBox-guest-additions|virtualbox-guest-tools)/i,
    files: ['/usr/sbin/VBoxService', '/opt/VBoxGuestAdditions/uninstall.sh'],
  },
  {
    id: 'qemu-guest-agent',
    packages: /^qemu-(?:guest-agent|ga)$/,
    files: ['/usr/sbin/qemu-ga', '/usr/bin/qemu-ga'],
  },
  { id: 'spice-vdagent', packages: /^spice-vdagent$/, files: ['/usr/sbin/spice-vdagentd'] },
  {
    id: 'xe-guest-utilities',
    packages: /^(?:xe-guest-utilities(?:-latest)?|xen-guest-agent)$/,
    files: ['/usr/sbin/xe-daemon', '/usr/sbin/xen-guest-agent'],
  },
  {
    id: 'hyperv-daemons',
    packages: /^(?:hyperv-daemons|hypervkvpd|linux-cloud-tools-(?:common|virtual)|hyper-v|hvtools)$/,
    files: ['/usr/sbin/hypervkvpd', '/usr/sbin/hv_kvp_daemon'],
  },
  {
    id: 'parallels-tools',
    packages: /^parallels-tools$/,
    files: ['/usr/bin/prltoolsd', '/usr/sbin/prl-tools'],
  },
  {
    id: 'walinuxagent',
    packages: /^(?:walinuxagent|WALinuxAgent|python3?-azure-agent)$/,
    files: ['/usr/sbin/waagent'],
  },
  {
    id: 'google-guest-agent',
    packages: /^(?:google-guest-agent|google-compute-engine)$/,
    files: ['/usr/bin/google_guest_agent'],
  },
  { id: 'amazon-ssm-agent', packages: /^amazon-ssm-agent$/, files: ['/usr/bin/amazon-ssm-agent'] },
];

/** Whether a package's name is that of tools, so that its version is told. */
export const isTools = (name: string): boolean => known.some(({ packages }) => packages.test(name));

export async function readTools(files: Files, packages: readonly PackageEntry[]): Promise<GuestTools[]> {
  const found: GuestTools[] = [];
  for (const { id, packages: names, files: paths } of known) {
    const entry = packages.find(({ name }) => names.test(name));
    if (entry !== undefined) found.push({ id, version: entry.version });
    else if (await isThere(files, paths)) found.push({ id });
  }
  // The files of the one lie where those of the other do.
  return found.some(({ id }) => id === 'vmware-tools')
    ? found.filter(({ id, version }) => id !== 'open-vm-tools' || version !== undefined)
    : found;
}
