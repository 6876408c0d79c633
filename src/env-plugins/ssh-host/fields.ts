/** The fields of a form that say how a host is reached by SSH; for every environment that goes this way. */
import type { Field } from '../plugin.ts';

/** `connectHost` understands these. */
export const sshFields: readonly Field[] = [
  {
    key: 'host',
    label: 'Host',
    help: 'its name, IP address, or an alias from ~/.ssh/config',
    kind: 'text',
    required: true,
  },
  {
    key: 'port',
    label: 'Port',
    help: 'where sshd listens; empty: as in ~/.ssh/config, else 22',
    kind: 'number',
    required: false,
  },
  {
    key: 'user',
    label: 'User',
    help: 'empty: as in ~/.ssh/config, else the same as here',
    kind: 'text',
    required: false,
  },
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
    help: 'a private key; empty: those in the agent, then those of ~/.ssh/config, else the usual ones in ~/.ssh',
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
  {
    key: 'jump',
    label: 'Jump hosts',
    help: 'user@host:port, several with ","; empty: as in ~/.ssh/config; "none": straight there',
    kind: 'text',
    required: false,
  },
  {
    key: 'legacy',
    label: 'Old algorithms',
    help: 'also offer weak ones that a server from before 2015 may need (SHA-1, CBC)',
    kind: 'boolean',
    required: false,
    default: 'no',
  },
];

/** Beside them, for what runs commands there that only root may: `hostElevation` understands these. */
export const sudoFields: readonly Field[] = [
  {
    key: 'sudo',
    label: 'Use sudo',
    help: 'run the commands there as root, by sudo',
    kind: 'boolean',
    required: false,
    default: 'no',
  },
  {
    key: 'sudoPassword',
    label: 'Password of sudo',
    help: 'empty: the same as for the login; not needed where sudo asks for none',
    kind: 'secret',
    required: false,
  },
];
