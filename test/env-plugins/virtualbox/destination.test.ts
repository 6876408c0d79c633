/** A machine becomes a folder with a .vbox: what is written, what is read back, and the conformance of the delivery. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import { virtualboxPlugin } from '../../../src/env-plugins/virtualbox/index.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { encoded } from '../../codecs/vmdk-images.ts';
import { noSecrets, testDestination } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { workstationMachine } from '../vmware-files/machine-folder.ts';
import { diskOf as disk, requestFor, small, vdiHead } from './request.ts';

const signal = new AbortController().signal;
const connect = () => virtualboxPlugin().connect({ folders: '/nowhere' }, noSecrets());

/** What becomes of a machine; its disks are but their heads. */
async function delivered(machine: Machine, more: Partial<DeliveryRequest> = {}) {
  const folder = await tempFolder();
  const session = await connect();
  const request = requestFor(folder, machine, more);
  const names = machine.disks.map((_, i) => `disk ${i + 1}.vdi`);
  const findings = await session.destination!.check(request, names, 100);
  const delivery = await session.destination!.begin(request);
  for (const [i, name] of names.entries()) {
    const sink = await delivery.sink({ name });
    const head = vdiHead(i + 1);
    // The header comes last, as an encoder may write it.
    await sink.write(head.subarray(512), 512);
    await sink.write(head.subarray(0, 512), 0);
    await sink.finish(head.length);
  }
  const places = await delivery.commit();
  const vbox = places.at(-1)!;
  const text = readFileSync(vbox, 'utf8');
  const back = await session.source!.inspect(vbox, signal);
  const guest = await session.destination!.hardware!(request);
  await session.close();
  // Without VBoxManage here, that is told each time.
  const rules = findings.map((f) => f.rule).filter((rule) => rule !== 'virtualbox.no-vboxmanage');
  return { vbox, text, back, rules, findings, guest, folder };
}

describe('a machine for VirtualBox', () => {
  it('is written and read back', async () => {
    const machine: Machine = {
      ...small,
      name: 'Büro "Server" <& #1',
      system: { name: 'Debian GNU/Linux 12 (bookworm)', family: 'linux', architecture: 'x86_64' },
      processors: { count: 4 },
      memoryBytes: 3 * 2 ** 30,
      firmware: { kind: 'uefi' },
      disks: [
        disk('a', { bus: 'sata', controller: 0, unit: 0, bootable: true }),
        disk('b', { bus: 'scsi', controllerModel: 'virtio-scsi', controller: 0, unit: 3 }),
        disk('c', { bus: 'nvme', controller: 0, unit: 1 }),
        disk('d', { bus: 'ide', controller: 0, unit: 1 }),
      ],
      nics: [
        { mac: '08:00:27:01:02:03', network: 'bridged eth "0"', model: 'virtio', connected: true },
        { mac: '52:54:00:aa:bb:cc', network: 'nat', model: 'e1000', connected: false },
        { mac: '52:54:00:aa:bb:cd', network: 'internal intnet', model: 'pcnet32', connected: true },
      ],
      devices: { cdroms: [{ bus: 'ide' }], consoles: ['serial'], clock: 'utc', video: 'vmvga' },
      chipset: 'q35',
      uuid: '564d3a9f-0102-0304-0506-0708090a0b0c',
      description: 'one\n  two "three" <&>',
    };
    const { vbox, text, back, rules, guest } = await delivered(machine);
    expect(vbox).toMatch(/\/Büro _Server_ __ _1\/Büro _Server_ __ _1\.vbox$/);
    expect(rules).toEqual(['virtualbox.nvme-extension']);
    expect(text).toContain('version="1.18-linux"');
    // As VirtualBox shows the UUID of the first disk.
    expect(text).toContain('<HardDisk uuid="{03020100-0504-4706-8899-aabbccddee01}" location="disk 1.vdi"');
    expect(back).toMatchObject({
      ...{ name: machine.name, state: 'off', processors: machine.processors, chipset: 'q35' },
      ...{ memoryBytes: machine.memoryBytes, firmware: machine.firmware, nics: machine.nics },
      system: { family: 'linux', architecture: 'x86_64' },
      disks: [
        { id: 'ide0:1', name: 'disk 4.vdi' },
        { id: 'sata0:0', name: 'disk 1.vdi', bootable: true },
        { id: 'scsi0:3', name: 'disk 2.vdi', controllerModel: 'virtio-scsi' },
        { id: 'nvme0:1', name: 'disk 3.vdi' },
      ],
      devices: machine.devices,
      uuid: machine.uuid,
      description: machine.description,
      findings: [],
    });
    expect(guest.disks.map((d) => [d.bus, d.controllerModel, d.unit])).toEqual([
      ['sata', undefined, 0],
      ['scsi', 'virtio-scsi', 3],
      ['nvme', undefined, 1],
      ['ide', undefined, 1],
    ]);
    expect(guest.nics.map((nic) => nic.model)).toEqual(['virtio', 'e1000', 'pcnet32']);
  });

  it('gets what VirtualBox has for what it does not have', async () => {
    const machine: Machine = {
      ...small,
      system: { name: 'Microsoft Windows Server 2019', family: 'windows', architecture: 'x86_64' },
      processors: { count: 65 },
      memoryBytes: 2 ** 30 + 1,
      firmware: { kind: 'uefi', secureBoot: true },
      disks: [
        disk('a', { bus: 'virtio', controller: 0, unit: 0, bootable: true }),
        disk('b', { bus: 'scsi', controllerModel: 'pvscsi', controller: 0, unit: 0 }),
        disk('c', { bus: 'scsi', controllerModel: 'lsilogic', controller: 1, unit: 2 }),
      ],
      nics: [{ model: 'vmxnet3', network: 'VM Network', mac: '01:00:5e:00:00:01' }],
      devices: { tpm: { version: '2.0' }, bound: ['PCI 0000:03:00.0'] },
    };
    const { rules, text, back } = await delivered(machine, { nvram: Buffer.alloc(100) });
    expect(rules.sort()).toEqual([
      'machine.parts-not-carried',
      'nic.mac-impossible',
      'nic.model-changed',
      'virtualbox.device-not-carried',
      'virtualbox.disk-bus-changed',
      'virtualbox.disk-bus-changed',
      'virtualbox.memory-rounded',
      'virtualbox.no-secure-boot',
      'virtualbox.nvram-foreign',
      'virtualbox.too-many-processors',
      'virtualbox.tpm-new',
    ]);
    expect(text).toContain('OSType="Windows2016_64"');
    expect(text).toContain('version="1.19-linux"');
    expect(back.disks.map((d) => d.id)).toEqual(['sata0:0', 'sata0:1', 'scsi0:2']);
    expect(back).toMatchObject({
      processors: { count: 64 },
      nics: [{ model: 'e1000', network: 'nat' }],
      devices: { tpm: { version: '2.0' }, clock: 'localtime', video: 'vboxsvga' },
    });
  });

  it('carries the variables of its own firmware', async () => {
    const nvram = Buffer.alloc(1000);
    nvram.write('_FVH', 40);
    const machine: Machine = {
      ...small,
      firmware: { kind: 'uefi' },
      packaging: 'VirtualBox machine, settings 1.19',
    };
    const { back, vbox, rules } = await delivered(machine, { nvram });
    expect(rules).toEqual([]);
    expect(back.firmware).toEqual({ kind: 'uefi', nvram: true });
    expect(readFileSync(vbox.replace('.vbox', '.nvram')).equals(nvram)).toBe(true);
  });

  it('takes no disk whose UUID VirtualBox would miss', async () => {
    const session = await connect();
    const delivery = await session.destination!.begin(requestFor(await tempFolder(), small));
    const sink = await delivery.sink({ name: 'm.vmdk' });
    await sink.write(Buffer.from('KDMV'), 0);
    await sink.finish(4);
    await expect(delivery.commit()).rejects.toMatchObject({ kind: 'unsupported' });
    await delivery.rollback();
    await session.close();
  });

  it('a VMDK goes by the UUID in its descriptor; its extents are no disks', async () => {
    const session = await connect();
    const delivery = await session.destination!.begin(requestFor(await tempFolder(), small));
    const { uuids } = session.destination!.options!.vmdk!;
    const files = await encoded(
      Buffer.alloc(70_000, 7),
      { uuids: uuids!, subformat: 'twoGbMaxExtentSparse' },
      'm.vmdk',
    );
    for (const [name, bytes] of files) {
      const sink = await delivery.sink({ name });
      await sink.write(bytes, 0);
      await sink.finish(bytes.length);
    }
    const text = readFileSync((await delivery.commit()).at(-1)!, 'utf8');
    const [, uuid] = /^ddb\.uuid\.image="(.*)"$/m.exec(files.get('m.vmdk')!.toString()) ?? [];
    expect(text).toContain(`<HardDisk uuid="{${uuid}}" location="m.vmdk" format="VMDK"`);
    expect(text.match(/<HardDisk /g)).toHaveLength(1);
    const stream = (await encoded(Buffer.alloc(1000), { subformat: 'streamOptimized' })).get('a.vmdk')!;
    const other = await session.destination!.begin(requestFor(await tempFolder(), small));
    const sink = await other.sink({ name: 'm.vmdk' });
    await expect(sink.write(stream, 0)).rejects.toMatchObject({ kind: 'unsupported' });
    await other.rollback();
    await session.close();
  });

  it('a VHD goes by the UUID of its footer', async () => {
    const folder = await tempFolder();
    const session = await connect();
    const delivery = await session.destination!.begin(requestFor(folder, small));
    const sink = await delivery.sink({ name: 'm.vhd' });
    const footer = Buffer.alloc(512);
    footer.write('conectix');
    Buffer.from('00010203040506478899aabbccddeeff', 'hex').copy(footer, 68);
    await sink.write(Buffer.concat([Buffer.alloc(2048), footer]), 0);
    // A guest's data that looks like a footer as well.
    await sink.write(Buffer.concat([Buffer.from('conectix'), Buffer.alloc(504, 1)]), 512);
    await sink.finish(2560);
    const places = await delivery.commit();
    expect(readFileSync(places.at(-1)!, 'utf8')).toContain(
      '<HardDisk uuid="{03020100-0504-4706-8899-aabbccddeeff}" location="m.vhd" format="VHD"',
    );
    await session.close();
  });

  it('replaces nothing in the folder of what it reads, nor what VirtualBox knows', async () => {
    const home = await tempFolder();
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('HOME', home);
    const session = await connect();
    const blockers = async (machine: Machine) =>
      (await session.destination!.check(requestFor(home, machine, { force: true }), ['m.vdi'], 1))
        .filter((f) => f.severity === 'blocker')
        .map((f) => f.rule);
    expect(await blockers({ ...small, id: join(home, 'm/m.vbox') })).toEqual(['virtualbox.folder-is-source']);
    expect(await blockers(small)).toEqual([]);
    mkdirSync(join(home, 'm'));
    mkdirSync(join(home, '.config/VirtualBox'), { recursive: true });
    writeFileSync(join(home, 'm/m.vbox'), 'x');
    writeFileSync(
      join(home, '.config/VirtualBox/VirtualBox.xml'),
      `<VirtualBox version="1.12-linux"><Global><MachineRegistry><MachineEntry src="${home}/m/m.vbox"/></MachineRegistry></Global></VirtualBox>`,
    );
    expect(await blockers(small)).toEqual(['virtualbox.target-registered']);
    await session.close();
  });
});

it('a machine of Workstation keeps its hardware, and every loss is told beforehand', async () => {
  const vmx = await workstationMachine(await tempFolder());
  const workstation = await vmwareFilesPlugin().connect({ folders: dirname(vmx) }, noSecrets());
  const machine = await workstation.source!.inspect(vmx, signal);
  await workstation.close();
  const { back, rules } = await delivered(machine);
  expect(rules).toEqual([
    'virtualbox.no-secure-boot',
    'virtualbox.disk-bus-changed',
    'virtualbox.nvme-extension',
    'nic.model-changed',
    'machine.parts-not-carried',
  ]);
  const kept = ({ name, processors, memoryBytes, uuid, description, devices }: Machine) => ({
    ...{ name, count: processors?.count, memoryBytes, uuid, description, clock: devices?.clock },
  });
  expect(kept(back)).toEqual(kept(machine));
  expect(back.firmware).toEqual({ kind: 'uefi' });
  expect(back.disks.map((one) => one.id)).toEqual(['sata0:0', 'nvme0:0']);
  expect(back.nics.map(({ mac, connected }) => [mac, connected])).toEqual(
    machine.nics.map(({ mac, connected }) => [mac, connected]),
  );
});

testDestination('VirtualBox machine files', async () => {
  const around = await tempFolder();
  const folder = join(around, 'machines');
  mkdirSync(folder);
  const own = join(folder, 'm');
  const session = await connect();
  const list = (place: string) => (existsSync(place) ? readdirSync(place) : []);
  return {
    session,
    settings: { folder },
    places: 2,
    visible: async () =>
      Object.fromEntries(
        list(own)
          .filter((name) => !name.startsWith('.') && name !== 'm.vbox')
          .map((name) => [name, readFileSync(join(own, name), 'latin1')]),
      ),
    names: async () => list(own).filter((name) => name !== 'm.vbox'),
    around: async () => list(around),
  };
});
