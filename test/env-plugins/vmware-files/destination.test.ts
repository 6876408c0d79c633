/** A machine becomes a folder with a .vmx: what is written, what is read back, and the conformance of the delivery. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import { parseDictionary } from '../../../src/env-plugins/vmware-files/dictionary.ts';
import { hardwareVersions } from '../../../src/env-plugins/vmware-files/hardware.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import { readGuestOs, writeGuestOs } from '../../../src/env-plugins/vmware-hardware/guest-os.ts';
import type { Machine, MachineDisk } from '../../../src/model/machine.ts';
import { noSecrets, testDestination } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';

const signal = new AbortController().signal;
const disk = (id: string, more: Partial<MachineDisk> = {}): MachineDisk => ({
  ...{ id, name: id, files: [] },
  ...more,
});
const small: Machine = {
  ...{ id: 'm', name: 'm', state: 'off', findings: [] },
  processors: { count: 2 },
  memoryBytes: 2 ** 30,
  firmware: { kind: 'bios' },
  disks: [disk('a', { bus: 'scsi', controller: 0, unit: 0, bootable: true })],
  nics: [],
};

const requestFor = (
  folder: string,
  machine: Machine,
  more: Partial<DeliveryRequest> = {},
): DeliveryRequest => ({
  ...{ name: machine.name, machine, settings: { folder }, force: false, sync: false, runId: 'test', signal },
  ...more,
});

const connect = () => vmwareFilesPlugin().connect({ folders: '/' }, noSecrets());

/** What becomes of a machine; its disks are files of a few bytes. */
async function delivered(machine: Machine, more: Partial<DeliveryRequest> = {}) {
  const folder = await tempFolder();
  const session = await connect();
  const request = requestFor(folder, machine, more);
  const names = machine.disks.map((_, i) => `disk ${i + 1}.vmdk`);
  const findings = await session.destination!.check(request, names, 100);
  const delivery = await session.destination!.begin(request);
  for (const name of names) {
    const sink = await delivery.sink({ name });
    await sink.write(Buffer.from('x'), 0);
    await sink.finish(1);
  }
  const places = await delivery.commit();
  const vmx = places.at(-1)!;
  const text = readFileSync(vmx, 'utf8');
  const back = await session.source!.inspect(vmx, signal);
  await session.close();
  const dictionary = parseDictionary(Buffer.from(text), vmx);
  // Without vmrun here, that is told each time.
  const rules = findings.map((f) => f.rule).filter((rule) => rule !== 'vmware.no-vmrun');
  return { vmx, text, dictionary, back, rules, findings };
}

describe('a machine for VMware', () => {
  it('is written and read back', async () => {
    const machine: Machine = {
      ...small,
      name: 'Büro "Server" | #1',
      system: { name: 'Debian GNU/Linux 12 (bookworm)', family: 'linux', architecture: 'x86_64' },
      processors: { count: 4, coresPerSocket: 2 },
      memoryBytes: 3 * 2 ** 30,
      firmware: { kind: 'uefi', secureBoot: true },
      disks: [
        disk('a', { bus: 'nvme', controller: 0, unit: 0 }),
        disk('b', { bus: 'scsi', controllerModel: 'pvscsi', controller: 1, unit: 3, bootable: true }),
        disk('c', { bus: 'sata', controller: 0, unit: 1 }),
        disk('d', { bus: 'ide', controller: 0, unit: 1 }),
      ],
      nics: [
        { mac: '00:50:56:01:02:03', network: 'bridged', model: 'vmxnet3', connected: true },
        { mac: '52:54:00:aa:bb:cc', network: 'vmnet2', model: 'e1000e', connected: false },
      ],
      devices: { cdroms: [{}], consoles: ['serial'], clock: 'utc' },
      uuid: '564d3a9f-0102-0304-0506-0708090a0b0c',
      description: 'one\ntwo "three" | #4',
    };
    const { vmx, text, dictionary, back, rules } = await delivered(machine);
    expect(vmx).toMatch(/\/Büro _Server_ _ #1\/Büro _Server_ _ #1\.vmx$/);
    expect(rules).toEqual([]);
    expect(text.split('\n')[0]).toBe('.encoding = "UTF-8"');
    expect(text).toMatch(/^(\S+ = "[^"\r\n]*"\n)+$/);
    expect(dictionary.repeated).toEqual([]);
    const value = (key: string) => dictionary.get(key);
    expect(value('guestOS')).toBe('debian10-64');
    expect(value('ethernet0.checkMACAddress')).toBeUndefined();
    expect(value('ethernet1.checkMACAddress')).toBe('FALSE');
    expect(value('ethernet1.addressType')).toBe('static');
    expect(value('bios.hddOrder')).toBe('scsi1:3');
    expect(back).toMatchObject({
      name: machine.name,
      system: { family: 'linux' },
      processors: { count: 4, coresPerSocket: 2 },
      memoryBytes: 3 * 2 ** 30,
      firmware: { kind: 'uefi', secureBoot: true },
      disks: [
        { id: 'ide0:1', name: 'disk 4.vmdk' },
        { id: 'scsi1:3', name: 'disk 2.vmdk', controllerModel: 'pvscsi', bootable: true },
        { id: 'sata0:1', name: 'disk 3.vmdk' },
        { id: 'nvme0:0', name: 'disk 1.vmdk' },
      ],
      nics: machine.nics,
      devices: { cdroms: [{ bus: 'ide' }], consoles: ['serial'], clock: 'utc' },
      uuid: machine.uuid,
      description: machine.description,
      findings: [],
    });
  });

  it('gets what VMware has for what it does not have', async () => {
    const machine: Machine = {
      ...small,
      system: { name: 'Microsoft Windows Server 2019', family: 'windows', architecture: 'x86_64' },
      memoryBytes: 2 ** 30 + 1,
      disks: [
        disk('a', { bus: 'virtio', controller: 0, unit: 0 }),
        disk('b', { bus: 'scsi', controllerModel: 'virtio-scsi', controller: 0, unit: 0 }),
        disk('c', { bus: 'scsi', controllerModel: 'lsilogic', controller: 0, unit: 7 }),
      ],
      nics: [{ model: 'virtio', network: 'default', mac: '01:00:5e:00:00:01' }],
      devices: { tpm: { version: '2.0' }, bound: ['PCI 0000:03:00.0'] },
    };
    const { dictionary, rules } = await delivered(machine, { nvram: Buffer.from('_FVH') });
    expect(rules.sort()).toEqual([
      'machine.parts-not-carried',
      'nic.mac-impossible',
      'nic.model-changed',
      'vmware.device-not-carried',
      'vmware.disk-bus-changed',
      'vmware.disk-bus-changed',
      'vmware.memory-rounded',
      'vmware.tpm-new',
    ]);
    const values = ['guestOS', 'memsize', 'scsi0.virtualDev', 'scsi1.virtualDev', 'ethernet0.virtualDev'];
    expect(values.map((key) => dictionary.get(key))).toEqual([
      'windows2019srv-64',
      '1028',
      'lsisas1068',
      'lsilogic',
      'e1000e',
    ]);
    expect(['scsi0:0', 'scsi0:1', 'scsi1:0'].map((node) => dictionary.get(`${node}.fileName`))).toEqual([
      'disk 1.vmdk',
      'disk 2.vmdk',
      'disk 3.vmdk',
    ]);
    expect(dictionary.get('ethernet0.addressType')).toBe('generated');
  });

  it('keeps to the hardware version that is wanted', async () => {
    const machine: Machine = {
      ...small,
      processors: { count: 9 },
      disks: [disk('a', { bus: 'sata' }), disk('b', { bus: 'nvme' })],
      nics: [{ model: 'vmxnet3' }],
    };
    const { dictionary, rules } = await delivered(machine, {
      settings: { folder: await tempFolder(), hardware: '4', network: 'hostonly' },
    });
    expect(rules.sort()).toEqual([
      'nic.model-changed',
      'vmware.disk-bus-changed',
      'vmware.disk-bus-changed',
      'vmware.too-many-processors',
    ]);
    expect(dictionary.get('virtualHW.version')).toBe('4');
    expect(dictionary.get('scsi0.virtualDev')).toBe('lsilogic');
    expect(dictionary.get('ethernet0.connectionType')).toBe('hostonly');
    expect(dictionary.get('pciBridge4.present')).toBeUndefined();
    const session = await connect();
    const uefi = { ...small, firmware: { kind: 'uefi' } } as const;
    const old = requestFor('/tmp', uefi, { settings: { folder: '/tmp', hardware: '7' } });
    const findings = await session.destination!.check(old, [], 0);
    expect(findings.find((f) => f.severity === 'blocker')?.rule).toBe('vmware.no-uefi');
    const odd = requestFor('/tmp', small, { settings: { folder: '/tmp', hardware: '99' } });
    await expect(session.destination!.begin(odd)).rejects.toMatchObject({ kind: 'usage' });
    await session.close();
  });

  it('carries the NVRAM of VMware, and says so of others', async () => {
    const uefi: Machine = { ...small, firmware: { kind: 'uefi' } };
    const own = Buffer.concat([Buffer.from('MRVN'), Buffer.alloc(100, 1)]);
    const first = await delivered(uefi, { nvram: own });
    expect(first.rules).toEqual([]);
    expect(readFileSync(first.vmx.replace('.vmx', '.nvram')).equals(own)).toBe(true);
    expect(first.back.firmware).toEqual({ kind: 'uefi', secureBoot: false, nvram: true });
    const other = await delivered(uefi, { nvram: Buffer.alloc(540_672) });
    expect(other.rules).toEqual(['vmware.nvram-foreign']);
    expect(other.back.firmware).toEqual({ kind: 'uefi', secureBoot: false });
  });

  it('says when no place is left for a disk', async () => {
    const disks = Array.from({ length: 5 }, (_, i) => disk(`d${i}`, { bus: 'ide', controller: 0, unit: 0 }));
    const session = await connect();
    const findings = await session.destination!.check(requestFor('/tmp', { ...small, disks }), [], 0);
    expect(findings.filter((f) => f.severity === 'blocker').map((f) => f.rule)).toEqual([
      'vmware.no-place-for-disk',
    ]);
    await session.close();
  });

  it('replaces no machine that runs or has snapshots, and takes no NVRAM of what it replaces', async () => {
    const folder = await tempFolder();
    const session = await connect();
    const rules = async () => {
      const request = requestFor(folder, small, { force: true });
      const findings = await session.destination!.check(request, ['m.vmdk'], 1);
      return findings.filter((f) => f.severity === 'blocker').map((f) => f.rule);
    };
    await mkdir(join(folder, 'm'));
    await writeFile(join(folder, 'm', 'm.vmx'), 'displayName = "m"\n');
    await writeFile(join(folder, 'm', 'm.nvram'), 'MRVNold');
    expect(await rules()).toEqual([]);
    await mkdir(join(folder, 'm', 'm.vmx.lck'));
    expect(await rules()).toEqual(['vmware.target-locked']);
    const delivery = await session.destination!.begin(requestFor(folder, small, { force: true }));
    const places = await delivery.commit();
    expect(readFileSync(places.at(-1)!, 'utf8')).toContain('nvram = "m-2.nvram"');
    readdirSync(join(folder, 'm')); // the lock is not ours
    writeFileSync(join(folder, 'm', 'm.vmsd'), 'snapshot.numSnapshots = "1"\nsnapshot0.uid = "1"\n');
    const { rmdirSync } = await import('node:fs');
    rmdirSync(join(folder, 'm', 'm.vmx.lck'));
    expect(await rules()).toEqual(['vmware.target-has-snapshots']);
    await session.close();
  });

  it('replaces nothing in the folder of what it reads', async () => {
    const folder = await tempFolder();
    const own = join(folder, 'm');
    const session = await connect();
    const blockers = async (machine: Machine) =>
      (await session.destination!.check(requestFor(folder, machine, { force: true }), ['m.vmdk'], 1))
        .filter((f) => f.severity === 'blocker')
        .map((f) => f.rule);
    expect(await blockers({ ...small, id: join(own, 'other.vmx') })).toEqual(['vmware.folder-is-source']);
    const inIt = { ...small, disks: [disk('a', { files: [join(own, 'm-000001.vmdk')] })] };
    expect(await blockers(inIt)).toEqual(['vmware.folder-is-source']);
    expect(await blockers({ ...small, id: '/elsewhere/m/m.vmx' })).toEqual([]);
    await session.close();
  });

  it('leaves out what no .vmx can say', async () => {
    const { dictionary } = await delivered({ ...small, description: 'a\0b', uuid: 'none' });
    expect(dictionary.get('annotation')).toBe('ab');
    expect(dictionary.get('uuid.bios')).toBeUndefined();
  });

  it('takes no disk of a layout that VMware does not run', async () => {
    const session = await connect();
    const delivery = await session.destination!.begin(requestFor(await tempFolder(), small));
    const sink = await delivery.sink({ name: 'm.vmdk' });
    const head = Buffer.from('KDMV....\n# Disk DescriptorFile\ncreateType="streamOptimized"\n');
    await expect(sink.write(head, 0)).rejects.toMatchObject({ kind: 'unsupported' });
    await sink.abort();
    await delivery.rollback();
    await session.close();
  });

  it('names networks that are there, and choices that are the defaults', async () => {
    const session = await connect();
    expect((await session.destination!.networks!(signal)).slice(0, 3)).toEqual([
      'nat',
      'bridged',
      'hostonly',
    ]);
    for (const field of await session.destination!.fields!(signal)) {
      if (field.choices !== undefined) expect(field.choices).toContain(field.default);
    }
    await session.close();
  });
});

describe('ids of guest systems', () => {
  it.each([
    ['debian10-64', 'Debian GNU/Linux 10', 'linux', 'x86_64'],
    ['ubuntu', 'Ubuntu', 'linux', 'i686'],
    ['windows9-64', 'Windows 10', 'windows', 'x86_64'],
    ['windows2019srvNext-64', 'Windows Server 2022', 'windows', 'x86_64'],
    ['winXPPro', 'Windows XP Professional', 'windows', 'i686'],
    ['other26xLinux-64', 'Linux, kernel 2.6', 'linux', 'x86_64'],
    ['other5xlinux-64', 'Linux, kernel 5', 'linux', 'x86_64'],
    ['freebsd13-64', 'FreeBSD 13', 'bsd', 'x86_64'],
    ['arm-ubuntu-64', 'Ubuntu', 'linux', 'aarch64'],
    ['never-heard-of', 'never-heard-of', 'other', 'i686'],
  ])('%s', (id, name, family, architecture) => {
    expect(readGuestOs(id)).toEqual({ name, family, architecture });
  });

  it.each([
    [{ name: 'Ubuntu 22.04 LTS', family: 'linux' }, 16, 'ubuntu-64'],
    [{ name: 'Debian GNU/Linux 12 (bookworm)', family: 'linux' }, 20, 'debian12-64'],
    [{ name: 'AlmaLinux 9.3', family: 'linux' }, 16, 'centos-64'],
    [{ name: 'Alpine Linux v3.19', family: 'linux' }, 18, 'other5xlinux-64'],
    [{ name: 'Windows 11 Pro', family: 'windows' }, 16, 'windows9-64'],
    [{ name: 'Windows XP', family: 'windows', architecture: 'i686' }, 16, 'winXPPro'],
    [{ name: 'FreeBSD 14.0', family: 'bsd' }, 16, 'freebsd-64'],
    [{ name: 'Plan 9', family: 'other' }, 16, 'other-64'],
    [undefined, 16, 'other-64'],
  ] as const)('of %j', (system, hardware, id) => {
    expect(writeGuestOs(system, hardware)).toBe(id);
  });

  it('each has the same family when it is read back, whatever the hardware', () => {
    const names = ['Windows 10', 'Windows Server 2025', 'Windows 7', 'Windows 2000', 'Windows XP'];
    for (const hardware of [...hardwareVersions.keys()].map(Number)) {
      for (const name of names) {
        const id = writeGuestOs({ name, family: 'windows' }, hardware);
        expect(readGuestOs(id), id).toMatchObject({ family: 'windows' });
      }
      for (const name of ['Debian 11', 'RHEL 9', 'Fedora 40', 'openSUSE Leap', 'SLES 15', 'x']) {
        const id = writeGuestOs({ name, family: 'linux' }, hardware);
        expect(readGuestOs(id), id).toMatchObject({ family: 'linux' });
      }
    }
  });
});

testDestination('VMware machine files', async () => {
  const around = await tempFolder();
  const folder = join(around, 'machines');
  mkdirSync(folder);
  const own = join(folder, 'm');
  // The machine's description lies beside its disks, whatever they are.
  const names = async () => {
    try {
      return readdirSync(own).filter((name) => name !== 'm.vmx');
    } catch {
      return [];
    }
  };
  return {
    session: await connect(),
    settings: { folder },
    places: 2,
    names,
    around: async () => readdirSync(around),
    visible: async () =>
      Object.fromEntries(
        (await names())
          .filter((name) => !name.startsWith('.'))
          .map((name) => [name, readFileSync(join(own, name), 'latin1')]),
      ),
  };
});

it('tells the hardware that the guest will find, for its drivers', async () => {
  const machine: Machine = {
    ...small,
    disks: [
      disk('a', { bus: 'virtio', controllerModel: 'virtio-blk' }),
      disk('b', { bus: 'scsi', controllerModel: 'buslogic', controller: 1 }),
    ],
    nics: [{ model: 'virtio' }, { model: 'vmxnet3', mac: '00:50:56:01:02:03' }],
  };
  const session = await connect();
  const hardware = await session.destination!.hardware!(requestFor(await tempFolder(), machine));
  await session.close();
  expect(hardware).toMatchObject({
    disks: [
      { id: 'a', bus: 'scsi' },
      { id: 'b', bus: 'scsi', controllerModel: 'buslogic' },
    ],
    nics: [{ model: 'e1000' }, { model: 'vmxnet3', mac: '00:50:56:01:02:03' }],
    firmware: { kind: 'bios' },
  });
  expect(hardware.disks[0]!.controllerModel).toBeDefined();
});

it('a system that has no 32-bit edition is of 64 bits, whatever its id says', () => {
  expect(readGuestOs('windows2019srv')?.architecture).toBe('x86_64');
  expect(readGuestOs('windows9')?.architecture).toBe('i686');
});
