/** What the distributions call the guest tools of each product, as data: `*` is for all that are not named. */

export interface ToolsPackages {
  /** `GuestTarget.product`s that they are for. */
  readonly products: readonly string[];
  readonly name: string;
  /** The first one that the repositories have is installed. */
  readonly install: Readonly<Record<string, readonly string[]>>;
  /** Started afterwards, those that are there. */
  readonly services: readonly string[];
  /** Taken away where they are installed. */
  readonly remove: readonly string[];
  /** What installers that are no packages left: run where it is there. */
  readonly uninstallers?: readonly string[];
}

export const toolsPackages: readonly ToolsPackages[] = [
  {
    products: ['qemu', 'proxmox', 'openstack'],
    name: 'the QEMU guest agent',
    install: { '*': ['qemu-guest-agent'] },
    services: ['qemu-guest-agent', 'qemu-ga'],
    remove: ['qemu-guest-agent', 'spice-vdagent'],
  },
  {
    products: ['vmware'],
    name: 'open-vm-tools',
    install: { '*': ['open-vm-tools'] },
    services: ['open-vm-tools', 'vmtoolsd'],
    remove: ['open-vm-tools-desktop', 'open-vm-tools', 'vmware-tools-esx-nox', 'vmware-tools-core'],
    uninstallers: ['/usr/bin/vmware-uninstall-tools.pl'],
  },
  {
    products: ['hyperv', 'azure'],
    name: 'the Hyper-V daemons',
    install: {
      ubuntu: ['linux-cloud-tools-virtual', 'linux-cloud-tools-generic'],
      debian: ['hyperv-daemons'],
      suse: ['hyper-v'],
      opensuse: ['hyper-v'],
      sles: ['hyper-v'],
      alpine: ['hvtools'],
      arch: ['hyperv'],
      '*': ['hyperv-daemons'],
    },
    services: [
      'hv-kvp-daemon',
      'hypervkvpd',
      'hv_kvp_daemon',
      'hv-vss-daemon',
      'hypervvssd',
      'hv_vss_daemon',
    ],
    remove: [
      'hyperv-daemons',
      'hyper-v',
      'hvtools',
      'hyperv',
      'linux-cloud-tools-virtual',
      'linux-cloud-tools-common',
    ],
  },
  {
    products: ['xen', 'xcp-ng'],
    name: 'the Xen guest utilities',
    install: {
      debian: ['xe-guest-utilities', 'xen-guest-agent'],
      ubuntu: ['xe-guest-utilities', 'xen-guest-agent'],
      suse: ['xen-tools-domU'],
      opensuse: ['xen-tools-domU'],
      sles: ['xen-tools-domU'],
      // EPEL's name, then XCP-ng's own.
      '*': ['xe-guest-utilities-latest', 'xe-guest-utilities', 'xen-guest-agent'],
    },
    services: ['xe-linux-distribution', 'xe-daemon', 'xe-guest-utilities', 'xen-guest-agent'],
    remove: ['xe-guest-utilities', 'xe-guest-utilities-latest', 'xen-guest-agent'],
  },
  {
    products: ['virtualbox'],
    name: 'the VirtualBox guest additions',
    install: {
      suse: ['virtualbox-guest-tools'],
      opensuse: ['virtualbox-guest-tools'],
      fedora: ['virtualbox-guest-additions'],
      alpine: ['virtualbox-guest-additions'],
      '*': ['virtualbox-guest-utils', 'virtualbox-guest-additions'],
    },
    services: ['virtualbox-guest-utils', 'vboxservice', 'vboxadd-service', 'virtualbox-guest-additions'],
    remove: [
      'virtualbox-guest-x11',
      'virtualbox-guest-dkms',
      'virtualbox-guest-utils',
      'virtualbox-guest-additions',
      'virtualbox-guest-tools',
    ],
    uninstallers: ['/opt/VBoxGuestAdditions*/uninstall.sh'],
  },
  {
    products: ['parallels'],
    name: 'Parallels Tools',
    install: {},
    services: [],
    remove: [],
    uninstallers: ['/usr/lib/parallels-tools/install --uninstall-unattended-mode'],
  },
];
