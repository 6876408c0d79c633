/** What single ways ask the user for, beside the fields of the connection. */
import type { Field } from '../../plugin.ts';

export const wayFields: readonly Field[] = [
  {
    key: 'vddkLibdir',
    label: 'VDDK folder',
    help: "where VMware's disk library was unpacked, for reading by nbdkit; empty: $VDDK_LIBDIR, then the usual folders",
    kind: 'text',
    required: false,
  },
  {
    key: 'sshUser',
    label: 'SSH user',
    help: 'also read disks from the ESXi host by SSH as this user, mostly root; empty: not by SSH',
    kind: 'text',
    required: false,
  },
  {
    key: 'sshHost',
    label: 'SSH host',
    help: 'name, IP address or alias from ~/.ssh/config; empty: the ESXi host where the machine is registered',
    kind: 'text',
    required: false,
  },
  {
    key: 'sshPort',
    label: 'SSH port',
    help: 'empty: as in ~/.ssh/config, else 22',
    kind: 'number',
    required: false,
  },
  {
    key: 'sshPassword',
    label: 'SSH password',
    help: 'empty: only keys; of an ESXi host itself with the same user: the password above',
    kind: 'secret',
    required: false,
  },
  {
    key: 'sshKeyFile',
    label: 'SSH key file',
    help: 'a private key; empty: those in the agent, then those of ~/.ssh/config, else the usual ones in ~/.ssh',
    kind: 'text',
    required: false,
  },
  {
    key: 'sshKeyPassphrase',
    label: 'SSH key passphrase',
    help: 'for an encrypted key file that is not in the agent',
    kind: 'secret',
    required: false,
  },
];
