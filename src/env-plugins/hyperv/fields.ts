/** The form of a Windows host: by SSH or by WinRM; or folders with exported machines. */
import type { Field } from '../plugin.ts';
import { sshFields } from '../ssh-host/fields.ts';

export const ways = ['ssh', 'winrm'] as const;
export const logins = ['ntlm', 'basic'] as const;
export const fileWays = ['automatic', 'sftp', 'smb'] as const;

const way: Field = {
  key: 'way',
  label: 'Way',
  help: 'how the host is reached; ssh: OpenSSH of Windows, commands and disks; winrm: as Windows servers have it turned on, disks by SMB',
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
    help: 'WinRM: ntlm, for accounts of the host (user) and of a domain (DOMAIN\\user); basic: for those of the host, with TLS only; Kerberos and CredSSP are not spoken',
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

const smbFields: readonly Field[] = [
  {
    key: 'files',
    label: 'Files by',
    help: 'how disks are read and written; automatic: by SFTP where the way is ssh, else by SMB (C$, D$ …: for administrators)',
    kind: 'choice',
    required: false,
    default: 'automatic',
    choices: fileWays,
  },
  {
    key: 'smbUser',
    label: 'User for SMB',
    help: 'user or DOMAIN\\user; empty: the same as for the host',
    kind: 'text',
    required: false,
  },
  {
    key: 'smbPassword',
    label: 'Password for SMB',
    help: 'empty: the same as for the host',
    kind: 'secret',
    required: false,
  },
  {
    key: 'fileServers',
    label: 'File servers',
    help: 'others on whose shares disks may lie, separated by ",": the login is sent to no server that is not named here',
    kind: 'text',
    required: false,
  },
  {
    key: 'smbPort',
    label: 'Port of SMB',
    help: 'usually 445',
    kind: 'number',
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
  ...smbFields,
  folders,
];
