/** Machines of all products, read from folders here; conformance. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets, testSource } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { fixture, machineFolder, ownMachine, workstationMachine } from './machine-folder.ts';

const signal = new AbortController().signal;
const connect = (folders: string): Promise<Session> => vmwareFilesPlugin().connect({ folders }, noSecrets());
const rules = (machine: Machine) => machine.findings.map((f) => f.rule);
const inspect = async (vmx: string) => (await connect(dirname(vmx))).source!.inspect(vmx, signal);

async function listed(session: Session): Promise<Machine[]> {
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void found.push(machine) });
  return found;
}

describe('machines as the products write them', () => {
  it('Workstation 17: UEFI, snapshots, NVMe, shared folder', async () => {
    const vmx = await workstationMachine(await tempFolder());
    const machine = await inspect(vmx);
    expect(machine).toMatchObject({
      id: vmx,
      name: 'Büro "Server"',
      state: 'off',
      system: { name: 'Debian GNU/Linux 12', family: 'linux', architecture: 'x86_64' },
      processors: { count: 4, coresPerSocket: 2 },
      memoryBytes: 8 * 2 ** 30,
      firmware: { kind: 'uefi', secureBoot: true, nvram: true },
      disks: [
        {
          id: 'scsi0:0',
          name: 'Büro Server-000002.vmdk',
          bus: 'scsi',
          controllerModel: 'pvscsi',
          controller: 0,
          unit: 0,
          bootable: true,
        },
        { id: 'nvme0:0', name: 'daten.vmdk', bus: 'nvme' },
      ],
      nics: [
        { mac: '00:0c:29:0a:0b:0c', network: 'nat', model: 'e1000', connected: true },
        { mac: '00:50:56:21:0a:0b', network: 'vmnet3', model: 'vmxnet3', connected: false },
      ],
      devices: { clock: 'utc', cdroms: [{ bus: 'sata', media: '/isos/debian-12.iso' }] },
      uuid: '564d3a9f-0102-0304-0506-0708090a0b0c',
      description: 'Zeile 1\nZeile 2 | #',
      snapshots: [
        {
          name: 'frisch',
          createdAt: 1700075746,
          description: 'nach der Installation',
          machine: `${vmx}#frisch`,
        },
        { name: 'vor dem Update', createdAt: 1700076904, current: true },
      ],
      packaging: 'VMware machine, hardware version 20',
    });
    expect(rules(machine)).toEqual([
      'vmware.snapshots-stay',
      'vmware.shared-folders',
      'vmware.independent-disk',
      'vmware.left-behind',
    ]);
    const session = await connect(dirname(vmx));
    expect((await session.source!.nvram!(machine, signal))?.length).toBe(70_000);
    await session.close();
  });

  it('a snapshot of it by name or number, also while it runs', async () => {
    const vmx = await workstationMachine(await tempFolder());
    const session = await connect(dirname(vmx));
    const then = await session.source!.inspect(`${vmx}#frisch`, signal);
    expect(then).toMatchObject({
      id: `${vmx}#frisch`,
      name: 'Büro "Server" (frisch)',
      disks: [
        { id: 'scsi0:0', name: 'Büro Server.vmdk' },
        { id: 'nvme0:0', name: 'daten.vmdk' },
      ],
    });
    const other = await session.source!.inspect(`${vmx}#2`, signal);
    expect(other.disks[0]!.name).toBe('Büro Server-000001.vmdk');
    const { source } = await session.source!.open(then, 'scsi0:0', signal);
    expect(source.name).toContain('Büro Server.vmdk');
    await source.close();
    await expect(session.source!.inspect(`${vmx}#nothing`, signal)).rejects.toMatchObject({
      kind: 'not-found',
      hint: expect.stringContaining('vor dem Update (2)'),
    });
    await session.close();
  });

  it('Player 6: windows-1252, suspended', async () => {
    const root = await tempFolder();
    const vmx = await machineFolder(root, 'w7', 'player6.vmx', ['Windows 7.vmdk', 'Windows 7.vmss']);
    const text = await fixture('player6.vmx');
    const western = Buffer.from(text.replaceAll('–', '\x96'), 'latin1');
    await writeFile(vmx, western);
    const machine = await inspect(vmx);
    expect(machine).toMatchObject({
      name: 'Windows 7 Büro – alt',
      state: 'suspended',
      system: { name: 'Windows 7', family: 'windows', architecture: 'x86_64' },
      processors: { count: 1 },
      firmware: { kind: 'bios' },
      disks: [{ id: 'scsi0:0', controllerModel: 'lsisas1068' }],
      nics: [{ mac: '00:0c:29:11:22:33', network: 'bridged' }],
      devices: { consoles: ['serial'], cdroms: [{ bus: 'ide' }] },
    });
    expect(rules(machine)).toContain('vmware.suspended');
    await rm(join(root, 'w7', 'Windows 7.vmss'));
    expect((await inspect(vmx)).state).toBe('off');
  });

  it('Server 1: no encoding, an odd case of keys, a disk that is named as on Windows', async () => {
    const vmx = await machineFolder(await tempFolder(), 'mail', 'server1.vmx', ['mail.vmdk']);
    const machine = await inspect(vmx);
    expect(machine).toMatchObject({
      system: { name: 'Windows Server 2003 Standard', architecture: 'i686' },
      disks: [{ id: 'scsi0:0', controllerModel: 'buslogic', files: [join(dirname(vmx), 'mail.vmdk')] }],
      nics: [{ model: 'pcnet32', network: 'bridged' }],
    });
    expect(rules(machine)).toEqual(['vmware.disk-moved', 'vmware.left-behind']);
  });

  it('Fusion: a bundle, ARM', async () => {
    const root = await tempFolder();
    const vmx = await machineFolder(root, 'Debian.vmwarevm', 'fusion.vmx', ['Virtual Disk.vmdk']);
    const session = await connect(root);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({
      id: vmx,
      name: 'Debian 11.x ARM 64-bit',
      system: { name: 'Debian GNU/Linux 11', architecture: 'aarch64' },
      nics: [{ model: 'e1000e', network: 'nat' }],
    });
    // The bundle itself will do as well.
    expect((await session.source!.inspect(dirname(vmx), signal)).id).toBe(vmx);
    await session.close();
  });

  it('ESXi: a copied folder; a shared bus', async () => {
    const vmx = await machineFolder(await tempFolder(), 'db', 'esxi.vmx', ['db.vmdk']);
    const machine = await inspect(vmx);
    expect(machine).toMatchObject({
      memoryBytes: 4 * 2 ** 30,
      disks: [
        { id: 'scsi0:0', name: 'db.vmdk' },
        { id: 'scsi1:0', shared: true },
      ],
      nics: [{ mac: '00:50:56:9a:0b:0c', network: 'VM Network', model: 'vmxnet3' }],
    });
    expect(rules(machine)).toEqual(['vmware.disk-moved', 'vmware.disk-missing']);
  });
});

describe('what can not be carried, in words', () => {
  const base = ['config.version = "8"', 'virtualHW.version = "16"', 'displayName = "m"'];

  it.each([
    ['vmware.encrypted', ['encryption.keySafe = "vmware:key/list/..."', 'encryption.data = "abc"']],
    [
      'vmware.physical-disk',
      ['ide0:0.present = "TRUE"', 'ide0:0.deviceType = "rawDisk"', 'ide0:0.fileName = "p.vmdk"'],
    ],
    [
      'vmware.nonpersistent-disk',
      [
        'sata0:0.present = "TRUE"',
        'sata0:0.mode = "independent-nonpersistent"',
        'sata0:0.fileName = "p.vmdk"',
      ],
    ],
    [
      'vmware.undoable-disk',
      ['ide0:0.present = "TRUE"', 'ide0:0.mode = "undoable"', 'ide0:0.fileName = "p.vmdk"'],
    ],
    [
      'vmware.device-passed-through',
      ['scsi0:3.present = "TRUE"', 'scsi0:3.deviceType = "scsi-passthru"', 'scsi0:3.fileName = "/dev/sg1"'],
    ],
    ['vmware.disk-unnamed', ['ide0:0.present = "TRUE"']],
    ['vmware.clock-fixed', ['rtc.startTime = "1000000000"']],
    ['vmware.tpm-secrets', ['vtpm.present = "TRUE"']],
    ['vmware.repeated-keys', ['memsize = "1"', 'MemSize = "2"']],
  ])('%s', async (rule, lines) => {
    const vmx = await ownMachine(await tempFolder(), 'm', [...base, ...lines]);
    await writeFile(join(dirname(vmx), 'p.vmdk'), 'x');
    const machine = await inspect(vmx);
    expect(rules(machine)).toEqual([rule]);
    expect(machine.findings[0]!.severity).toBe(rule === 'vmware.encrypted' ? 'blocker' : 'warning');
  });

  it('a lock that stayed', async () => {
    const vmx = await ownMachine(await tempFolder(), 'm', base);
    await mkdir(`${vmx}.lck`);
    expect(await inspect(vmx)).toMatchObject({ state: 'unknown', findings: [{ rule: 'vmware.locked' }] });
  });

  it('an undoable disk is read through its redo log', async () => {
    const vmx = await ownMachine(await tempFolder(), 'm', [
      ...base,
      'ide0:0.present = "TRUE"',
      'ide0:0.mode = "undoable"',
      'ide0:0.fileName = "p.vmdk"',
      'ide0:0.redo = "./p.vmdk.REDO_a1"',
    ]);
    expect((await inspect(vmx)).disks[0]!.name).toBe('p.vmdk.REDO_a1');
  });
});

describe('where machines are found', () => {
  it('in the usual folders and in the lists of the products', async () => {
    const home = await tempFolder();
    vi.stubEnv('HOME', home);
    try {
      const inVmware = await ownMachine(join(home, 'vmware'), 'a', ['displayName = "a"']);
      const elsewhere = await ownMachine(join(home, 'else where'), 'b', ['displayName = "b"']);
      const recent = await ownMachine(join(home, 'recent'), 'c', ['displayName = "c"']);
      await mkdir(join(home, '.vmware'));
      await writeFile(
        join(home, '.vmware', 'inventory.vmls'),
        [
          '.encoding = "UTF-8"',
          `vmlist1.config = "${elsewhere}"`,
          'vmlist1.DisplayName = "b"',
          'vmlist2.config = "folder1"',
          'vmlist2.Type = "2"',
          'vmlist3.config = "C:\\VMs\\w\\w.vmx"',
          `vmlist4.config = "${inVmware}"`,
          'vmlist5.config = "/gone/gone.vmx"',
          'vmlist6.config = "/etc/passwd"',
          'index.count = "1"',
        ].join('\n'),
      );
      await writeFile(join(home, '.vmware', 'preferences'), `pref.mruVM0.filename = "${recent}"\n`);
      const session = await vmwareFilesPlugin().connect({}, noSecrets());
      expect((await listed(session)).map((m) => m.name).sort()).toEqual(['a', 'b', 'c']);
      await session.close();
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('says so when none of the folders can be read', async () => {
    const session = await connect('/no/such/folder');
    await expect(listed(session)).rejects.toMatchObject({ kind: 'not-found' });
    await session.close();
  });

  it('lists of VMware Server 1, Server 2 and ESXi', async () => {
    const { hostdPaths, serverListPaths } = await import(
      '../../../src/env-plugins/vmware-files/listed-machines.ts'
    );
    const old = Buffer.from('# VMware\nconfig "/var/lib/vmware/Virtual Machines/a/a.vmx"\nconfig "/b.vmx"\n');
    expect(serverListPaths(old, 'x')).toEqual(['/var/lib/vmware/Virtual Machines/a/a.vmx', '/b.vmx']);
    const xml =
      '<ConfigRoot><ConfigEntry id="0000"><objID>16</objID><vmxCfgPath>/vm/a &amp; b/a.vmx</vmxCfgPath></ConfigEntry></ConfigRoot>';
    expect(hostdPaths(Buffer.from(xml), 'x')).toEqual(['/vm/a & b/a.vmx']);
  });
});

const machines = async () => {
  const root = await tempFolder();
  await workstationMachine(root);
  await machineFolder(root, 'mail', 'server1.vmx', ['mail.vmdk']);
  return root;
};
testSource('VMware machine files', async () => connect(await machines()), {
  async again() {
    const root = await machines();
    return { connect: () => connect(root) };
  },
});

it('reads no file of another machine by a plan that names it', async () => {
  const vmx = await workstationMachine(await tempFolder());
  const session = await connect(dirname(vmx));
  const machine = await session.source!.inspect(vmx, signal);
  const forged = { ...machine, disks: [{ ...machine.disks[0]!, files: ['/etc/passwd'] }] };
  const { source } = await session.source!.open(forged, 'scsi0:0', signal);
  expect(source.name).not.toContain('passwd');
  await source.close();
  await session.close();
  expect((await readFile(vmx)).length).toBeGreaterThan(0);
});
