import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { emptyHive } from '../formats/make-hive.ts';
import { systemOf } from './system-of.ts';

const keys = (tree: Readonly<Record<string, readonly string[]>>) =>
  [
    'Windows Registry Editor Version 5.00',
    ...withParents(Object.keys(tree)).map((path) => [`[\\${path}]`, ...(tree[path] ?? [])].join('\n')),
    '',
  ].join('\n\n');

/** hivexregedit makes no parents. */
function withParents(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    const names = path.split('\\');
    for (let n = 1; n <= names.length; n++) all.add(names.slice(0, n).join('\\'));
  }
  return [...all];
}

const version = 'Microsoft\\Windows NT\\CurrentVersion';
const software = keys({
  [version]: [
    '"ProductName"="Windows 10 Pro"',
    '"EditionID"="Professional"',
    '"CurrentBuildNumber"="22631"',
    '"CurrentMajorVersionNumber"=dword:0000000a',
    '"CurrentMinorVersionNumber"=dword:00000000',
    '"InstallationType"="Client"',
  ],
  [`${version}\\Winlogon`]: ['"AutoAdminLogon"="1"'],
  'Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending': [],
  'Microsoft\\Windows\\CurrentVersion\\Uninstall\\{1}': [
    '"DisplayName"="VMware Tools"',
    '"DisplayVersion"="12.1.0"',
  ],
  'Microsoft\\Windows\\CurrentVersion\\Uninstall\\{2}': ['"DisplayName"="An editor"'],
});

const set = 'ControlSet002';
const guid = '{11111111-2222-3333-4444-555555555555}';
const utf16 = (text: string) =>
  [...Buffer.from(text, 'utf16le')].map((b) => b.toString(16).padStart(2, '0')).join(',');
const system = keys({
  Select: ['"Current"=dword:00000002'],
  [`${set}\\Control\\Session Manager\\Environment`]: ['"PROCESSOR_ARCHITECTURE"="AMD64"'],
  [`${set}\\Control\\Session Manager\\Power`]: ['"HiberbootEnabled"=dword:00000001'],
  [`${set}\\Control\\Terminal Server`]: ['"fDenyTSConnections"=dword:00000000'],
  [`${set}\\Control\\Network\\{4D36E972-E325-11CE-BFC1-08002BE10318}\\${guid}\\Connection`]: [
    '"Name"="Ethernet0"',
  ],
  [`${set}\\Services\\viostor`]: ['"Start"=dword:00000000', '"Type"=dword:00000001'],
  [`${set}\\Services\\stornvme`]: ['"Start"=dword:00000003', '"Type"=dword:00000001'],
  [`${set}\\Services\\vmms`]: ['"Start"=dword:00000004', '"Type"=dword:00000010'],
  [`${set}\\Services\\sshd`]: ['"Start"=dword:00000002', '"Type"=dword:00000010'],
  [`${set}\\Services\\Tcpip\\Parameters`]: ['"Hostname"="desk"'],
  [`${set}\\Services\\Tcpip\\Parameters\\Interfaces\\${guid}`]: [
    '"EnableDHCP"=dword:00000000',
    `"IPAddress"=hex(7):${utf16('192.0.2.9\0\0')}`,
    `"SubnetMask"=hex(7):${utf16('255.255.255.0\0\0')}`,
    `"DefaultGateway"=hex(7):${utf16('192.0.2.1\0\0')}`,
    '"NameServer"="192.0.2.53,192.0.2.54"',
  ],
});

describeWith(['hivexregedit'], 'a Windows whose hives hivex wrote', () => {
  it('is told from its registry', async () => {
    const folder = await tempFolder();
    const hive = async (name: string, changes: string) => {
      const path = join(folder, name);
      await writeFile(path, emptyHive());
      await writeFile(`${path}.reg`, changes);
      execFileSync('hivexregedit', ['--merge', path, `${path}.reg`]);
      return readFile(path);
    };
    const config = '/Windows/System32/config';
    const { system: found, findings } = await systemOf({
      [`${config}/SOFTWARE`]: await hive('SOFTWARE', software),
      [`${config}/SYSTEM`]: await hive('SYSTEM', system),
      '/hiberfil.sys': 'HIBR and more',
    });
    expect(found).toEqual({
      name: 'Windows 11 Pro',
      family: 'windows',
      version: '10.0',
      architecture: 'x86_64',
      hostname: 'desk',
      rootPartition: 0,
      confidence: 'high',
      evidence: [config, 'its SOFTWARE hive'],
      kernels: [],
      mounts: [],
      bootloader: { kind: 'windows' },
      interfaces: [
        {
          name: 'Ethernet0',
          method: 'static',
          addresses: ['192.0.2.9/24'],
          gateway: '192.0.2.1',
          dns: ['192.0.2.53', '192.0.2.54'],
          system: 'windows',
        },
      ],
      tools: [{ id: 'vmware-tools', version: '12.1.0' }],
      services: ['sshd'],
      space: [{ mountPoint: '/', kind: 'ext4', freeBytes: 5e8 }],
      windows: {
        edition: 'Professional',
        build: 22631,
        version: '10.0',
        autoLogon: true,
        pendingUpdates: true,
        drivers: ['viostor'],
        fastStartup: true,
        hibernated: true,
        hyperVRole: false,
        remoteDesktop: true,
      },
    });
    expect(findings.map(({ rule }) => rule)).toEqual(['guest.pending-updates']);
  });

  it('is one without a registry that can be read', async () => {
    const { system: found, findings } = await systemOf({
      '/Windows/System32/config/SOFTWARE': Buffer.alloc(8192, 1),
    });
    expect(found).toMatchObject({ name: 'Windows', confidence: 'medium', windows: { drivers: [] } });
    expect(findings[0]!.rule).toBe('guest.unreadable');
  });
});
