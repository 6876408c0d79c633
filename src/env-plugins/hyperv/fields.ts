/** The form of a Windows host: by SSH or by WinRM; or folders with exported machines. */
import type { Field } from '../plugin.ts';
import { sshFields } from '../ssh-host/fields.ts';

export const ways = ['ssh', 'winrm'] as const;
export const logins = ['ntlm', 'basic'] as const;

const way: Field = {
  key: 'way',
  label: 'Way',
  help: 'how the host is reached; ssh: OpenSSH of Windows, commands and disks; winrm: as Windows servers have it turned on, commands only',
  kind: 'choice',
  required: false,
  default: 'ssh',
  choices: ways,
};

const winrmFields: readonly Field[] = [
  {
    key: 'tls',
    label: 'TLS',
    help: 'WinRM: by HTTPS; no: by HTTP, every message sealed by NTLM',
    kind: 'boolean',
    required: false,
    default: 'yes',
  },
  {
    key: 'login',
    label: 'Login',
    help: 'WinRM: ntlm, for accounts of the host (user) and of a domain (DOMAIN\\user); basic: for those of the host, with TLS only',
    kind: 'choice',
    required: false,
    default: 'ntlm',
    choices: logins,
  },
  {
    key: 'fingerprint',
    label: 'Fingerprint',
    help: 'WinRM: SHA-256 of the only certificate to accept; empty: one that the authorities of this computer vouch for, or that you accept',
    kind: 'text',
    required: false,
  },
];

const folders: Field = {
  key: 'folders',
  label: 'Folders of exports',
  help: 'where machines lie that were exported (Export-VM), separated by ":"; the host, if one is named, has these then',
  kind: 'folders',
  required: false,
};

/** Without a host, machines are looked for in folders here. */
export const fields: readonly Field[] = [
  ...sshFields.flatMap((field) => {
    if (field.key === 'host')
      return [
        { ...field, help: `${field.help}; empty: exported machines in folders here`, required: false },
        way,
      ];
    if (field.key === 'port') return [{ ...field, help: `${field.help}; WinRM: 5986, without TLS 5985` }];
    return [field];
  }),
  ...winrmFields,
  folders,
];
