/** Guest tools of the hypervisor that is left: off, as they wait for what is no longer there. */
import type { LinuxChange } from './context.ts';

interface Tools {
  readonly product: string;
  readonly name: string;
  readonly units: readonly string[];
  /** Of OpenRC and System V. */
  readonly services: readonly string[];
}

const known: readonly Tools[] = [
  {
    product: 'vmware',
    name: 'VMware Tools',
    units: [
      'open-vm-tools.service',
      'vmtoolsd.service',
      'vgauth.service',
      'vgauthd.service',
      'vmware-tools.service',
      'run-vmblock\\x2dfuse.mount',
    ],
    services: ['open-vm-tools', 'vmware-tools', 'vmware-tools-thinprint'],
  },
  {
    product: 'virtualbox',
    name: 'VirtualBox Guest Additions',
    units: [
      'vboxadd.service',
      'vboxadd-service.service',
      'virtualbox-guest-utils.service',
      'vboxservice.service',
    ],
    services: ['vboxadd', 'vboxadd-service', 'virtualbox-guest-utils', 'virtualbox-guest-additions'],
  },
  {
    product: 'xen',
    name: 'Xen guest utilities',
    units: ['xe-linux-distribution.service', 'xe-daemon.service', 'xen-guest-agent.service'],
    services: ['xe-linux-distribution', 'xe-guest-utilities', 'xe-daemon'],
  },
  {
    product: 'hyperv',
    name: 'Hyper-V daemons',
    units: [
      ...['hv-kvp-daemon.service', 'hv-vss-daemon.service', 'hv-fcopy-daemon.service'],
      ...['hypervkvpd.service', 'hypervvssd.service', 'hypervfcopyd.service'],
    ],
    services: ['hv_kvp_daemon', 'hv_vss_daemon', 'hv_fcopy_daemon'],
  },
  {
    product: 'parallels',
    name: 'Parallels Tools',
    units: ['prltoolsd.service', 'prltools.service'],
    services: ['prltoolsd', 'prltools'],
  },
];

const unitFolders = ['/lib/systemd/system', '/usr/lib/systemd/system', '/etc/systemd/system'];

export const disableForeignTools: LinuxChange = async (tree, { target }) => {
  for (const tools of known) {
    if (tools.product === target.product) continue;
    await tree.change(
      {
        id: `tools.${tools.product}`,
        title: `${tools.name} are switched off`,
        reason: 'they belong to the hypervisor that is left, and delay or disturb the start elsewhere',
        need: 'advised',
      },
      async (editor) => {
        for (const unit of tools.units) {
          const there = await Promise.all(unitFolders.map((folder) => editor.stat(`${folder}/${unit}`)));
          // A unit that lies in /etc itself can't be masked there.
          if (there[2]?.kind === 'file') {
            for (const target of [
              'multi-user.target.wants',
              'sysinit.target.wants',
              'graphical.target.wants',
            ])
              await editor.remove(`/etc/systemd/system/${target}/${unit}`);
          } else if (there.some((stat) => stat !== undefined)) {
            await editor.link(`/etc/systemd/system/${unit}`, '/dev/null');
          }
        }
        for (const service of tools.services) {
          for (const level of ['boot', 'default']) await editor.remove(`/etc/runlevels/${level}/${service}`);
          for (const level of ['2', '3', '4', '5', 'S']) {
            const folder = `/etc/rc${level}.d`;
            for (const name of await editor.list(folder))
              if (name.replace(/^S\d\d/, '') === service && name.startsWith('S'))
                await editor.remove(`${folder}/${name}`);
          }
        }
      },
    );
  }
  return [];
};
