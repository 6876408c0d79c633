/** Machines of several versions of VirtualBox, read from folders here; conformance. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { virtualboxPlugin } from '../../../src/env-plugins/virtualbox/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets, testSource } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { machineFolder, oneDisk, oneDiskUuid } from './machine-folder.ts';

const signal = new AbortController().signal;
const connect = (folders: string): Promise<Session> => virtualboxPlugin().connect({ folders }, noSecrets());
const rules = (machine: Machine) => machine.findings.map((f) => f.rule);
const diffs = [2, 3].map((n) => `Snapshots/{d15c7000-000${n}-4a11-8b22-00000000000${n}}.vdi`);
const webFiles = ['web.vdi', ...diffs, 'daten.vdi'];

async function inspect(id: string): Promise<Machine> {
  const session = await connect(dirname(id));
  try {
    return await session.source!.inspect(id, signal);
  } finally {
    await session.close();
  }
}

async function listed(session: Session): Promise<Machine[]> {
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void found.push(machine) });
  return found;
}

describe('machines as VirtualBox writes them', () => {
  it('4.1: Windows paths, saved state, passed-through things', async () => {
    const root = await tempFolder();
    const vbox = await machineFolder(root, 'alt', 'vbox41.vbox', ['alt.vdi', 'daten.vhd']);
    const machine = await inspect(vbox);
    expect(machine).toMatchObject({
      id: vbox,
      name: 'alt & "gut"',
      state: 'suspended',
      system: { name: 'Windows XP', family: 'windows', architecture: 'i686' },
      processors: { count: 1 },
      memoryBytes: 512 * 2 ** 20,
      firmware: { kind: 'bios' },
      disks: [
        { id: 'ide0:0', format: 'vdi', bus: 'ide', bootable: true, files: [join(root, 'alt/alt.vdi')] },
        { id: 'ide0:1', format: 'vhd', files: [join(root, 'alt/daten.vhd')] },
      ],
      nics: [
        { mac: '08:00:27:a0:b0:c0', network: 'bridged Realtek PCIe GBE', model: 'pcnet32', connected: true },
      ],
      devices: {
        clock: 'localtime',
        video: 'vboxvga',
        consoles: ['serial'],
        cdroms: [{ bus: 'ide' }],
        bound: ['USB 0951:1666'],
      },
      chipset: 'i440fx',
      // Windows takes its first fields for little-endian.
      uuid: 'e0fe0f1c-0100-114a-8b22-0123456789ab',
      packaging: 'VirtualBox machine, settings 1.12-windows',
    });
    expect(rules(machine)).toEqual([
      'virtualbox.disk-moved',
      'virtualbox.saved-state',
      'virtualbox.shared-folders',
      'virtualbox.left-behind',
    ]);
  });

  it('7.0: UEFI, TPM, a chain below a snapshot, three controllers', async () => {
    const root = await tempFolder();
    const vbox = await machineFolder(root, 'web', 'vbox70.vbox', [...webFiles, 'web.nvram']);
    const machine = await inspect(vbox);
    const folder = join(root, 'web');
    expect(machine).toMatchObject({
      state: 'off',
      system: { name: 'Debian GNU/Linux 12', architecture: 'x86_64' },
      processors: { count: 4 },
      firmware: { kind: 'uefi', nvram: true },
      disks: [
        {
          ...{ id: 'sata0:0', bootable: true },
          files: [diffs[1], diffs[0], 'web.vdi'].map((name) => join(folder, name!)),
        },
        { id: 'scsi0:0', controllerModel: 'virtio-scsi', name: 'daten.vdi' },
      ],
      nics: [
        { mac: '08:00:27:00:00:01', network: 'nat', model: 'e1000', connected: true },
        { mac: '08:00:27:00:00:02', network: 'internal intnet', model: 'virtio', connected: false },
        { mac: '08:00:27:00:00:03', model: 'e1000', connected: false },
      ],
      devices: {
        tpm: { version: '2.0' },
        clock: 'utc',
        graphics: 'rdp',
        video: 'vmvga',
        cdroms: [{ bus: 'sata', media: '/isos/debian-12.iso' }],
      },
      chipset: 'q35',
      // Linux takes them for big-endian, and the settings say otherwise.
      uuid: 'e0fe0f3c-0100-114a-8b22-0123456789ab',
      description: 'Zeile 1\nZeile 2',
      snapshots: [
        {
          name: 'frisch',
          createdAt: 1700075746,
          description: 'nach der Installation',
          machine: `${vbox}#frisch`,
        },
        { name: 'läuft', current: true },
      ],
    });
    expect(rules(machine)).toEqual([
      'virtualbox.aborted',
      'virtualbox.snapshots-stay',
      'virtualbox.left-behind',
    ]);
  });

  it('a snapshot with its own hardware, by name or UUID', async () => {
    const vbox = await machineFolder(await tempFolder(), 'web', 'vbox70.vbox', webFiles);
    expect(await inspect(`${vbox}#frisch`)).toMatchObject({
      id: `${vbox}#frisch`,
      name: 'web (frisch)',
      processors: { count: 1 },
      memoryBytes: 2 ** 30,
      disks: [{ id: 'sata0:0', name: 'web.vdi' }],
      nics: [],
    });
    const online = await inspect(`${vbox}#5a000000-0002-4a11-8b22-000000000002`);
    expect(online.disks.map((disk) => disk.id)).toEqual(['sata0:0', 'sata0:1']);
    expect(rules(online)).toEqual(['virtualbox.snapshot-online']);
    await expect(inspect(`${vbox}#nothing`)).rejects.toMatchObject({
      kind: 'not-found',
      hint: expect.stringContaining('läuft (5a000000'),
    });
  });

  it('7.1: a platform of its own; encrypted and immutable disks', async () => {
    const files = ['new.vdi', 'tools.vdi', 'Snapshots/reset.vdi'];
    const vbox = await machineFolder(await tempFolder(), 'new', 'vbox71.vbox', files);
    const machine = await inspect(vbox);
    expect(machine).toMatchObject({
      system: { family: 'bsd' },
      processors: { count: 3 },
      chipset: 'q35',
      devices: { clock: 'utc' },
      disks: [{ id: 'nvme0:0' }, { id: 'nvme0:1', name: 'reset.vdi' }],
      nics: [{ network: 'natnetwork NatNetwork' }],
    });
    expect(rules(machine)).toEqual(['virtualbox.efi32', 'virtualbox.encrypted', 'virtualbox.disk-forgets']);
    const session = await connect(dirname(vbox));
    await expect(session.source!.open(machine, 'nvme0:0', signal)).rejects.toMatchObject({
      kind: 'unsupported',
    });
    await session.close();
  });

  it('lists what VirtualBox.xml lists, with media that are only there', async () => {
    const home = await tempFolder();
    const text = oneDisk('old', ['../disks/old.vdi']).replace(/<MediaRegistry>.*<\/MediaRegistry>/s, '');
    const vbox = await machineFolder(join(home, 'somewhere'), 'old', text);
    await mkdir(join(home, '.config/VirtualBox'), { recursive: true });
    await writeFile(join(home, '.config/VirtualBox/old.vdi'), 'x');
    await writeFile(
      join(home, '.config/VirtualBox/VirtualBox.xml'),
      `<VirtualBox version="1.10-linux"><Global><MachineRegistry><MachineEntry uuid="{${oneDiskUuid}}" src="${vbox}"/>
      <MachineEntry uuid="{${oneDiskUuid}}" src="/gone/gone.vbox"/></MachineRegistry><MediaRegistry><HardDisks>
      <HardDisk uuid="{d15c0000-0000-4000-8000-000000000000}" location="old.vdi" format="VDI" type="Normal"/>
      </HardDisks></MediaRegistry></Global></VirtualBox>`,
    );
    const session = await connect(home);
    const machines = await listed(session);
    expect(machines.map((m) => m.id)).toEqual([vbox]);
    expect(machines[0]!.disks).toMatchObject([{ files: [join(home, '.config/VirtualBox/old.vdi')] }]);
    await session.close();
  });

  it('of every version from 1.7 to 1.20; later ones are told', async () => {
    const root = await tempFolder();
    for (let minor = 7; minor <= 21; minor++) {
      const text = oneDisk(`1.${minor}`, ['m.vdi']).replace('1.16-linux', `1.${minor}-windows`);
      await machineFolder(root, `m${minor}`, text, ['m.vdi']);
    }
    const session = await connect(root);
    const machines = await listed(session);
    await session.close();
    expect(machines.map((machine) => machine.disks.length)).toEqual(Array(15).fill(1));
    expect(machines.filter((machine) => rules(machine).length > 0).map(({ name }) => name)).toEqual(['1.21']);
  });

  it('what the Guest Additions told of the system counts where it says more than the type', async () => {
    const told = async (type: string, properties: Record<string, string>) => {
      const list = Object.entries(properties).map(
        ([key, value]) => `<GuestProperty name="/VirtualBox/GuestInfo/OS/${key}" value="${value}"/>`,
      );
      const text = oneDisk('m', ['m.vdi'])
        .replace('Linux26_64', type)
        .replace('<Hardware>', `<Hardware><GuestProperties>${list.join('')}</GuestProperties>`);
      return (await inspect(await machineFolder(await tempFolder(), 'm', text, ['m.vdi']))).system;
    };
    const windows = { Product: 'Windows Server 2019', Version: '10.0.17763' };
    const x64 = { architecture: 'x86_64' } as const;
    expect(await told('Windows2016_64', windows)).toEqual({
      ...{ name: 'Windows Server 2019', family: 'windows', version: '10.0.17763', ...x64 },
    });
    expect(await told('Debian12_64', { Product: 'Linux', Version: '#1 SMP' })).toMatchObject({
      name: 'Debian GNU/Linux 12',
    });
    expect(await told('Other_64', { Product: 'Linux' })).toEqual({ name: 'Linux', family: 'linux', ...x64 });
  });

  it('starts from the first disk whose controller the BIOS looks at', async () => {
    const hidden = oneDisk('m', ['a.vdi']).replace('type="AHCI"', 'type="AHCI" Bootable="false"');
    const second = `<StorageController name="SCSI" type="LsiLogic" PortCount="16"><AttachedDevice type="HardDisk" port="3"
      device="0"><Image uuid="{d15c0000-0000-4000-8000-000000000000}"/></AttachedDevice></StorageController>`;
    const text = hidden.replace('</StorageControllers>', `${second}</StorageControllers>`);
    const machine = await inspect(await machineFolder(await tempFolder(), 'm', text, ['a.vdi']));
    expect(machine.disks.map((disk) => [disk.id, disk.bootable])).toEqual([
      ['sata0:0', undefined],
      ['scsi0:3', true],
    ]);
  });

  it('reads chains as deep as VirtualBox makes them', async () => {
    const chain = Array.from({ length: 250 }, (_, i) => `d${i}.vdi`);
    const vbox = await machineFolder(await tempFolder(), 'deep', oneDisk('deep', chain));
    expect((await inspect(vbox)).disks[0]!.files).toHaveLength(250);
  });

  it('opens what is below a disk wherever the registry says that it is', async () => {
    const root = await tempFolder();
    await mkdir(join(root, 'base'));
    await writeFile(join(root, 'base/b.vdi'), 'base');
    const vbox = await machineFolder(root, 'm', oneDisk('m', ['../base/b.vdi', 'd.vdi']), ['d.vdi']);
    const session = await connect(root);
    const disk = await session.source!.open(await inspect(vbox), 'sata0:0', signal);
    const [first = ''] = await disk.neighbours!();
    expect(first).toBe(join(root, 'base/b.vdi'));
    const below = await disk.sibling(first);
    expect(below.source.size).toBe(4);
    expect(below.outside).toBe(true);
    await below.source.close();
    await disk.source.close();
    await session.close();
  });

  it('gives variables that are a plain volume', async () => {
    const vbox = await machineFolder(await tempFolder(), 'web', 'vbox70.vbox', webFiles);
    const nvram = join(dirname(vbox), 'web.nvram');
    const volume = Buffer.alloc(1000);
    volume.write('_FVH', 40);
    await writeFile(nvram, volume);
    const session = await connect(dirname(vbox));
    const machine = await inspect(vbox);
    expect((await session.source!.nvram!(machine, signal))?.length).toBe(1000);
    await writeFile(nvram, Buffer.alloc(10_240));
    expect(await session.source!.nvram!(machine, signal)).toBeUndefined();
    await session.close();
  });
});

describe('hostile settings', () => {
  const own = (inner: string, version = '1.16-linux') =>
    `<VirtualBox xmlns="http://www.virtualbox.org/" version="${version}">${inner}</VirtualBox>`;
  it.each([
    ['no XML', '< nothing'],
    [
      'a document type',
      `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${own('<Machine name="&a;"/>')}`,
    ],
    ['another root', '<Envelope/>'],
    ['no version', '<VirtualBox><Machine/></VirtualBox>'],
    ['a version before 1.7', own('<Machine/>', '1.6-linux')],
    ['another major version', own('<Machine/>', '2.0')],
    ['no machine', own('<Global/>')],
    ['an encrypted machine', own('<MachineEncrypted uuid="{}"/>')],
    ['nothing but depth', own('<a>'.repeat(2000))],
  ])('%s is a finding', async (_, text) => {
    const vbox = await machineFolder(await tempFolder(), 'bad', text);
    const machine = await inspect(vbox);
    expect(machine).toMatchObject({ name: 'bad', state: 'unknown', disks: [] });
    expect(rules(machine)).toEqual(['virtualbox.unreadable']);
  });

  it('values that make no sense are told or passed over', async () => {
    const text = own(`<Machine uuid="{x}" name="  " OSType="&lt;b&gt;">
      <Hardware><CPU count="-3"/><Memory RAMSize="99999999999999"/>
      <Network><Adapter slot="a" enabled="true" MACAddress="zz" type="Ne\u00e42000"><NAT/></Adapter></Network></Hardware>
      <StorageControllers><StorageController name="x" type="Quantum"><AttachedDevice/></StorageController>
      <StorageController name="s" type="AHCI"><AttachedDevice type="HardDisk" port="4000000000"><Image uuid="${`{${oneDiskUuid}}`}"/></AttachedDevice>
      <AttachedDevice type="HardDisk" port="1"><Image uuid="{${oneDiskUuid}}"/></AttachedDevice></StorageController>
      </StorageControllers></Machine>`);
    const machine = await inspect(await machineFolder(await tempFolder(), 'odd', text));
    expect(machine).toMatchObject({ name: 'odd', processors: { count: 1 }, disks: [] });
    expect(machine.memoryBytes).toBeUndefined();
    expect(machine.system).toBeUndefined();
    expect(machine.nics[0]!.mac).toBeUndefined();
    expect(rules(machine)).toEqual([
      'virtualbox.controller-unknown',
      'virtualbox.place-impossible',
      'virtualbox.medium-unknown',
    ]);
  });
});

testSource('VirtualBox machine files', async () => {
  const root = await tempFolder();
  await machineFolder(root, 'web', 'vbox70.vbox', webFiles);
  await machineFolder(root, 'alt', 'vbox41.vbox', ['alt.vdi', 'daten.vhd']);
  return connect(root);
});
