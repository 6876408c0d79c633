/** A Windows of folders and two hives, changed on NTFS by libguestfs, and read back by foreign tools. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Edit } from '../../../../src/guest/change/edit.ts';
import { libguestfs } from '../../../../src/guest/change/engines/libguestfs/engine.ts';
import { registryPrefix, registryText } from '../../../../src/guest/change/engines/libguestfs/registry.ts';
import { PlannedTree } from '../../../../src/guest/change/tree.ts';
import type { WindowsRequest } from '../../../../src/guest/change/windows/context.ts';
import { planWindows } from '../../../../src/guest/change/windows/plan-windows.ts';
import type { WindowsFacts } from '../../../../src/model/guest-report.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { tempFolder } from '../../../temp.ts';
import { emptyHive } from '../../formats/make-hive.ts';
import { fileDisk, volumeOn } from '../engines/volumes.ts';
import { type MemoryTree, memoryFiles } from '../memory-files.ts';

const config = '/Windows/System32/config';
const signal = new AbortController().signal;
const inf = `[Version]\r
Signature="$Windows NT$"\r
ClassGuid={4D36E97B-E325-11CE-BFC1-08002BE10318}\r
DriverVer=08/05/2021,100.90.104.21500 ; by a program\r
[Manufacturer]\r
`;

async function merged(folder: string, name: string, hive: Buffer, text: string): Promise<Buffer> {
  const path = join(folder, name);
  await writeFile(path, hive);
  await writeFile(`${path}.reg`, text);
  execFileSync('hivexregedit', ['--merge', path, '--prefix', registryPrefix, `${path}.reg`]);
  return readFile(path);
}

const dword = (key: string, name: string, data: number): Edit => ({
  ...{ kind: 'registry', hive: 'SYSTEM', key, name },
  value: { type: 'dword', data },
});
const registry = (edits: readonly Edit[], hive: 'SYSTEM' | 'SOFTWARE') =>
  registryText(edits.flatMap((edit) => (edit.kind === 'registry' && edit.hive === hive ? [edit] : [])));

async function windows(folder: string): Promise<MemoryTree> {
  const services = 'ControlSet002\\Services';
  const before = [
    dword('Select', 'Current', 2),
    dword(`${services}\\storahci`, 'Start', 3),
    dword(`${services}\\storahci\\StartOverride`, '0', 3),
    dword(`${services}\\msahci`, 'Start', 3),
  ];
  const software: Edit = {
    ...{ kind: 'registry', hive: 'SOFTWARE', key: 'Microsoft\\Windows\\CurrentVersion', name: 'DevicePath' },
    value: { type: 'expand-sz', data: '%SystemRoot%\\inf' },
  };
  return {
    [`${config}/SYSTEM`]: await merged(folder, 'S', emptyHive(), registry(before, 'SYSTEM')),
    [`${config}/SOFTWARE`]: await merged(folder, 'W', emptyHive(), registry([software], 'SOFTWARE')),
    '/Windows/System32/drivers/ntfs.sys': 'MZ',
    '/boot/efi/EFI/Microsoft/Boot/bootmgfw.efi': 'loader',
  };
}

/** As virtio-win's ISO image is made. */
async function virtioWin(folder: string): Promise<string> {
  const top = join(folder, 'iso');
  const put = async (path: string, content: string) => {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await writeFile(join(top, path), content);
  };
  for (const [product, name] of [
    ['viostor', 'viostor'],
    ['vioscsi', 'vioscsi'],
    ['NetKVM', 'netkvm'],
  ])
    for (const release of ['w7', 'w10', '2k19', '2k22'])
      for (const machine of ['amd64', 'x86']) {
        await put(`${product}/${release}/${machine}/${name}.inf`, inf);
        for (const end of ['sys', 'cat', 'pdb'])
          await put(
            `${product}/${release}/${machine}/${name}.${end}`,
            `${name} ${release} ${machine} ${end}`,
          );
      }
  await put('guest-agent/qemu-ga-x86_64.msi', 'agent');
  const iso = join(folder, 'virtio-win.iso');
  execFileSync('genisoimage', ['-quiet', '-J', '-r', '-o', iso, top], { stdio: 'pipe' });
  return iso;
}

type Given = { facts?: Partial<WindowsFacts> } & Partial<Omit<WindowsRequest, 'system'>>;

async function planned(files: MemoryTree, { facts, ...given }: Given) {
  const memory = memoryFiles(files);
  const tree = new PlannedTree(memory);
  const findings = await planWindows(tree, {
    system: {
      ...{ name: 'Windows Server 2022', family: 'windows', architecture: 'x86_64', rootPartition: 2 },
      ...{ confidence: 'high', evidence: [], kernels: [], mounts: [] },
      interfaces: [
        {
          ...{ name: 'Ethernet0', method: 'static', addresses: ['192.0.2.9/22'], gateway: '192.0.2.1' },
          ...{ dns: ['192.0.2.53'], system: 'windows' },
        },
      ],
      windows: { version: '10.0', build: 20348, edition: 'ServerStandard', drivers: [], ...facts },
    },
    files: memory,
    reports: [],
    target: {
      ...{ product: 'qemu', disks: [{ bus: 'virtio' }], nics: [{ mac: '52:54:00:aa:bb:cc' }] },
      ...{ firmware: 'uefi', console: 'screen', cloud: false },
    },
    nics: [{ mac: '52:54:00:aa:bb:cc' }],
    wish: { changes: 'needed' },
    signal,
    ...given,
  });
  return { tree, findings, edits: tree.changes.flatMap((c) => c.edits), ids: tree.changes.map((c) => c.id) };
}

describeWith(['hivexregedit', 'genisoimage'], 'the changes of a Windows', () => {
  const target = (given: Partial<WindowsRequest['target']>): WindowsRequest['target'] => ({
    ...{ product: 'qemu', disks: [{ bus: 'virtio' }], nics: [], firmware: 'bios', console: 'screen' },
    ...{ cloud: false },
    ...given,
  });

  it('start its own driver of SATA early', async () => {
    const files = await windows(await tempFolder());
    const { ids, edits, findings } = await planned(files, {
      target: target({ disks: [{ bus: 'sata' }] }),
      nics: [],
    });
    expect(ids).toEqual(['storage.inbox']);
    expect(edits).toMatchObject([
      { key: 'ControlSet002\\Services\\storahci', name: 'Start', value: { data: 0 }, before: 'dword:3' },
      { key: 'ControlSet002\\Services\\storahci\\StartOverride', name: '0', value: { data: 0 } },
    ]);
    expect(findings.map(({ rule }) => rule)).toEqual(['guest.windows-addresses']);
  });

  it('use the list of critical devices up to Windows 7', async () => {
    const folder = await tempFolder();
    const files = await windows(folder);
    const { edits } = await planned(files, {
      facts: { version: '6.1', build: 7601, edition: 'Professional' },
      target: target({ disks: [{ bus: 'scsi', controllerModel: 'virtio-scsi' }] }),
      wish: { changes: 'needed', windowsDrivers: await virtioWin(folder) },
    });
    const keys = edits.flatMap((edit) => (edit.kind === 'registry' ? [edit.key] : []));
    expect(keys).toContain('ControlSet002\\Control\\CriticalDeviceDatabase\\PCI#VEN_1AF4&DEV_1048');
    expect(keys.filter((key) => key.startsWith('DriverDatabase'))).toEqual([]);
    const from = edits.flatMap((edit) => (edit.kind === 'upload' ? [edit.from.split(':')[1]] : []));
    expect(from).toContain('/vioscsi/w7/amd64/vioscsi.sys');
  });

  it.each([
    ['no driver', {}, 'guest.windows-driver'],
    ['hibernated', { facts: { hibernated: true } }, 'guest.windows-hibernated'],
    [
      'a dynamic disk',
      { reports: [{ partitions: [{ type: '0x42' }] }] as unknown as WindowsRequest['reports'] },
      'guest.windows-dynamic-disk',
    ],
    ['a release that is not known', { facts: { version: 'x' } }, 'guest.not-changed'],
  ])('%s is a blocker', async (_name, given: Given, rule) => {
    const { findings } = await planned(await windows(await tempFolder()), given);
    expect(findings).toContainEqual(expect.objectContaining({ rule, severity: 'blocker' }));
  });
});

describeWith(['hivexregedit', 'genisoimage', 'guestfish', 'mkntfs', 'ntfscat'], 'a Windows on NTFS', () => {
  it('is read back by foreign tools', { timeout: 300_000 }, async () => {
    vi.stubEnv('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg');
    const folder = await tempFolder();
    const files = await windows(folder);
    const { edits, ids, findings } = await planned(files, {
      wish: {
        ...{ changes: 'needed', windowsDrivers: await virtioWin(folder) },
        add: { agent: true, removeTools: true },
      },
    });
    expect(findings).toEqual([]);
    expect(ids).toEqual(['storage.viostor', 'drivers', 'efi.fallback', 'first-boot']);
    const image = join(folder, 'ntfs');
    await writeFile(image, '');
    await truncate(image, 32 * 2 ** 20);
    execFileSync('mkntfs', ['-q', '-F', '-f', image], { stdio: 'pipe' });
    const folders = new Set<string>();
    for (const path of Object.keys(files))
      for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1))
        folders.add(path.slice(0, at));
    const base: Edit[] = [
      ...[...folders].map((path): Edit => ({ kind: 'folder', path })),
      ...Object.entries(files).map(
        ([path, content]): Edit => ({
          kind: 'write',
          path,
          content: Buffer.from(content as string | Buffer),
        }),
      ),
    ];
    const disk = await fileDisk(image);
    const volume = volumeOn(disk, {
      kind: 'ntfs',
      name: 'C:',
      device: '/dev/sda',
      edits: [...base, ...edits],
    });
    expect(await libguestfs.refuses(volume, volume.edits, signal)).toBeUndefined();
    await libguestfs.apply({ disks: [disk], volumes: [volume] }, { signal, report: () => undefined });

    const cat = (path: string) => execFileSync('ntfscat', [image, path], { stdio: 'pipe' });
    expect(cat('/Windows/System32/drivers/viostor.sys').toString()).toBe('viostor 2k22 amd64 sys');
    expect(cat('/Windows/Drivers/VirtIO/netkvm/netkvm.cat').toString()).toBe('netkvm 2k22 amd64 cat');
    expect(cat('/boot/efi/EFI/Boot/bootx64.efi').toString()).toBe('loader');
    expect(cat('/Windows/vmferry/files/agent.msi').toString()).toBe('agent');
    expect(cat('/Windows/vmferry/tasks/20-addresses.ps1').toString()).toContain(
      'address=192.0.2.9 mask=255.255.252.0 gateway=192.0.2.1',
    );
    const hive = join(folder, 'hive');
    await writeFile(hive, cat(`${config}/SYSTEM`));
    const exported = (key: string) =>
      execFileSync('hivexregedit', ['--export', hive, key], { encoding: 'utf8', stdio: 'pipe' });
    const service = exported('\\ControlSet002\\Services\\viostor');
    expect(service).toMatch(/"Start"=dword:00000000/);
    expect(service).toMatch(/"ImagePath"=hex\(2\):/);
    const database = exported('\\DriverDatabase');
    expect(database).toMatch(/\[.*\\DeviceIds\\PCI\\VEN_1AF4&DEV_1001\]\n"viostor.inf"=hex\(3\):02,ff,00,00/);
    expect(database).toContain(
      '"Version"=hex(3):00,ff,09,00,00,00,00,00,7b,e9,36,4d,25,e3,ce,11,bf,c1,08,00,2b,e1,03,18,00,80,',
    );
    expect(database).toContain(',fc,53,68,00,5a,00,64,00,00,00,00,00,00,00,00,00');
    expect(exported('\\ControlSet002\\Services\\vmferry-first-boot')).toMatch(/"Start"=dword:00000002/);
  });
});
