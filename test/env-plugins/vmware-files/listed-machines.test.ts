/** Lists of machines that products keep, of systems whose disks are mounted here. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import { pathHere } from '../../../src/env-plugins/vmware-files/listed-machines.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { ownMachine } from './machine-folder.ts';

const signal = new AbortController().signal;

async function put(root: string, path: string, lines: readonly string[]): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), `${lines.join('\r\n')}\r\n`);
}

async function listed(folders: string): Promise<Machine[]> {
  const session = await vmwareFilesPlugin().connect({ folders }, noSecrets());
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void found.push(machine) });
  await session.close();
  return found;
}

/** Deeper than what is searched: only a list leads there. */
const deep = 'a/b/c/d/e';

describe('the disk of another system', () => {
  it('Windows: inventory, recently used, VMware Server; disks on its paths', async () => {
    const root = await tempFolder();
    await ownMachine(join(root, deep), 'one', [
      'ide0:0.present = "TRUE"',
      'ide0:0.fileName = "C:\\disks\\one.vmdk"',
    ]);
    for (const name of ['two', 'three', 'four']) await ownMachine(join(root, deep), name, ['memsize = "64"']);
    await put(root, 'disks/one.vmdk', ['# not looked into']);
    const path = (name: string) => `C:\\${deep.replaceAll('/', '\\')}\\${name}\\${name}.vmx`;
    await put(root, 'Users/Jürgen/AppData/Roaming/VMware/inventory.vmls', [
      '.encoding = "UTF-8"',
      'vmlist1.config = "folder1"',
      'vmlist1.Type = "2"',
      `vmlist2.config = "${path('one')}"`,
      'vmlist3.config = "\\\\nas\\vm\\x.vmx"',
      'vmlist4.config = ""',
      'index.count = "0"',
    ]);
    await put(root, 'Users/Jürgen/AppData/Roaming/VMware/preferences.ini', [
      `pref.mruVM0.filename = "${path('two')}"`,
      `pref.mruVM1.filename = "${path('one')}"`,
    ]);
    const allUsers = 'Documents and Settings/All Users/Application Data/VMware/VMware Server';
    await put(root, `${allUsers}/vm-list`, ['# a comment', `config "${path('three')}"`]);
    await put(root, `${allUsers}/hostd/vmInventory.xml`, [
      `<ConfigRoot><ConfigEntry id="0000"><objID>16</objID><vmxCfgPath>${path('four')}</vmxCfgPath></ConfigEntry></ConfigRoot>`,
    ]);
    const machines = await listed(root);
    expect(machines.map(({ name }) => name).sort()).toEqual(['four', 'one', 'three', 'two']);
    expect(machines.find(({ name }) => name === 'one')!.disks[0]!.files).toEqual([
      join(root, 'disks/one.vmdk'),
    ]);
  });

  it('macOS and Linux: Fusion, Workstation, VMware Server', async () => {
    const root = await tempFolder();
    const names = ['fusion', 'workstation', 'server1', 'server2'];
    for (const name of names) await ownMachine(join(root, deep), name, ['memsize = "64"']);
    const path = (name: string) => `/${deep}/${name}/${name}.vmx`;
    const line = (name: string) => ['.encoding = "UTF-8"', `vmlist1.config = "${path(name)}"`];
    await put(root, 'Users/eva/Library/Application Support/VMware Fusion/vmInventory', line('fusion'));
    await put(root, 'home/eva/.vmware/inventory.vmls', line('workstation'));
    await put(root, 'etc/vmware/vm-list', [`config "${path('server1')}"`, 'config "/../../etc/shadow"']);
    await put(root, 'etc/vmware/hostd/vmInventory.xml', [
      `<ConfigRoot><ConfigEntry><vmxCfgPath>${path('server2')}</vmxCfgPath></ConfigEntry></ConfigRoot>`,
    ]);
    expect((await listed(root)).map(({ name }) => name).sort()).toEqual([...names].sort());
  });
});

it.each([
  ['C:\\VMs\\a.vmx', '/mnt/c', '/mnt/c/VMs/a.vmx'],
  ['D:\\VMs\\a.vmx', '/mnt/c', '/mnt/d/VMs/a.vmx'],
  ['d:/VMs/a.vmx', '/cygdrive/c', '/cygdrive/d/VMs/a.vmx'],
  ['D:\\VMs\\a.vmx', '/media/old', '/media/old/VMs/a.vmx'],
  ['D:\\..\\..\\a.vmx', '/media/old', '/media/old/a.vmx'],
  ['/../../a.vmx', '/media/old', '/media/old/a.vmx'],
  ['/srv/a.vmx', '/', '/srv/a.vmx'],
  ['[standard] web/web.vmx', '/', '/var/lib/vmware/Virtual Machines/web/web.vmx'],
  ['[standard] ../../../../../a.vmx', '/media/old', '/media/old/a.vmx'],
  ['C:\\VMs\\a.vmx', '/', undefined],
  ['\\\\nas\\share\\a.vmx', '/mnt/c', undefined],
  ['folder1', '/mnt/c', undefined],
  ['/a\0.vmx', '/', undefined],
])('%s of the system at %s is %s', (name, root, path) => {
  expect(pathHere(name, root)).toBe(path);
});
