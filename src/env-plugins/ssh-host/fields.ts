/** The fields of a form that say how a host is reached by SSH; for every environment that goes this way. */
import type { Field } from '../plugin.ts';

/** `connectHost` understands these. */
export const sshFields: readonly Field[] = [
  { key: 'host', label: 'Host', help: 'its name or IP address', kind: 'text', required: true },
  {
    key: 'port',
    label: 'Port',
    help: 'where sshd listens',
    kind: 'number',
    required: false,
    default: '22',
  },
  { key: 'user', label: 'User', help: 'empty: the same as here', kind: 'text', required: false },
  {
    key: 'password',
    label: 'Password',
    help: 'used when the host wants one; empty: only keys',
    kind: 'secret',
    required: false,
  },
  {
    key: 'keyFile',
    label: 'Key file',
    help: 'a private key; empty: those in the agent, then the usual ones in ~/.ssh',
    kind: 'text',
    required: false,
  },
  {
    key: 'keyPassphrase',
    label: 'Key passphrase',
    help: 'for an encrypted key file that is not in the agent',
    kind: 'secret',
    required: false,
  },
];
