import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDomain } from '../../../src/env-plugins/libvirt/domain-xml.ts';

const GiB = 2 ** 30;
const fixture = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', `${name}.xml`));
const domain = (name: string) => readDomain(fixture(name), name);
const small = (inside: string, os = `<type arch='x86_64' machine='pc'>hvm</type>`) =>
  readDomain(
    Buffer.from(
      `<domain type='kvm'><name>n</name><uuid>3f2504e0-4f89-41d3-9a0c-0305e82c3399</uuid><os>${os}</os>${inside}</domain>`,
    ),
    'small',
  );

describe('the XML of a domain as a machine', () => {
  it('q35, UEFI with Secure Boot, TPM, every kind of NIC', () => {
    const { machine, disks, nvram, live, otherDrives } = domain('q35-uefi');
    const { findings, ...rest } = machine;
    expect(rest).toEqual({
      id: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      uuid: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
      name: 'q35 uefi',
      description: 'made by hand & for tests',
      state: 'off',
      system: { name: 'Windows Server 2019', family: 'windows', version: '2k19', architecture: 'x86_64' },
      processors: { count: 4, coresPerSocket: 4, threadsPerCore: 2, model: 'Nehalem' },
      memoryBytes: 2 * GiB,
      firmware: { kind: 'uefi', secureBoot: true, nvram: true },
      chipset: 'q35',
      packaging: 'libvirt domain',
      disks: [
        {
          id: 'sda',
          name: 'system.qcow2',
          format: 'qcow2',
          bus: 'scsi',
          controller: 1,
          unit: 3,
          controllerModel: 'virtio-scsi',
          files: ['/images/system.qcow2'],
          bootable: true,
          bootOrder: 2,
          serial: 'SYS-1',
        },
        {
          id: 'sdb',
          name: 'data',
          format: 'raw',
          bus: 'sata',
          controller: 0,
          unit: 5,
          files: ['/dev/vg0/data'],
        },
        {
          id: 'vda',
          name: 'old.vhd',
          format: 'vhd',
          bus: 'virtio',
          files: [],
          bootable: true,
          bootOrder: 3,
          readOnly: true,
        },
      ],
      nics: [
        { mac: '52:54:00:aa:bb:01', network: 'default', model: 'e1000e', connected: true, bootOrder: 1 },
        { mac: '52:54:00:aa:bb:02', network: 'br0', model: 'virtio', connected: false },
        { mac: '52:54:00:aa:bb:03', network: 'eno1', model: 'virtio', connected: true },
        { mac: '52:54:00:aa:bb:04', model: 'rtl8139', connected: true },
      ],
      devices: {
        tpm: { version: '2.0', model: 'tpm-crb' },
        clock: 'localtime',
        graphics: 'spice',
        video: 'qxl',
        consoles: ['serial', 'virtio'],
        agents: ['qemu', 'spice'],
        cdroms: [{ bus: 'sata', media: 'install.iso' }, { bus: 'sata' }],
      },
    });
    expect(findings.map((f) => f.rule)).toEqual([
      'libvirt.processors-offline',
      'libvirt.memory-balloon',
      'libvirt.tpm-state',
      'libvirt.vlan',
    ]);
    expect(disks.map((d) => d.place)).toEqual([
      { kind: 'file', path: '/images/system.qcow2' },
      { kind: 'block', path: '/dev/vg0/data' },
      { kind: 'volume', pool: 'default', volume: 'old.vhd' },
    ]);
    expect(nvram).toEqual({ path: '/var/lib/libvirt/qemu/nvram/q35_VARS.fd', format: 'raw' });
    expect({ live, otherDrives }).toEqual({ live: false, otherDrives: ['sdc', 'sdd'] });
  });

  it('i440fx, IDE, the order of booting by classes', () => {
    const { machine, otherDrives } = domain('i440fx-old');
    expect(machine).toMatchObject({
      name: 'old $(id)',
      memoryBytes: GiB / 2,
      processors: { count: 2, model: 'host-model' },
      firmware: { kind: 'bios' },
      chipset: 'i440fx',
      disks: [
        {
          id: 'hda',
          format: 'raw',
          bus: 'ide',
          controller: 0,
          unit: 1,
          bootable: true,
          bootOrder: 2,
          shared: true,
        },
        { id: 'hdd', format: 'vmdk', bus: 'ide', controller: 1, unit: 1 },
      ],
      devices: { clock: 'localtime', video: 'cirrus' },
    });
    expect(machine.nics).toEqual([
      { mac: '52:54:00:aa:bb:05', network: 'lab', model: 'pcnet', connected: true, bootOrder: 3 },
      { mac: '52:54:00:aa:bb:06', network: 'lab', connected: true },
    ]);
    expect(machine.findings).toMatchObject([{ rule: 'libvirt.floppy', evidence: 'floppy.img' }]);
    expect(otherDrives).toEqual(['fda']);
  });

  it('what exists on this host only is told', () => {
    const { machine, disks } = domain('bound');
    expect(machine.memoryBytes).toBe(GiB);
    expect(machine.devices?.bound).toEqual([
      'shared folder /srv/share (virtiofs)',
      'PCI 0000:03:00.1',
      'USB 1d6b:0002',
      'shared memory looking-glass',
      'memory shared with the host',
    ]);
    expect(machine.findings.map((f) => [f.rule, f.evidence])).toEqual([
      ['libvirt.direct-kernel', '/boot/vmlinuz /boot/initrd.img root=/dev/vda1 quiet'],
      ['libvirt.bound-to-host', 'shared folder /srv/share (virtiofs)'],
      ['libvirt.bound-to-host', 'PCI 0000:03:00.1'],
      ['libvirt.bound-to-host', 'USB 1d6b:0002'],
      ['libvirt.bound-to-host', 'shared memory looking-glass'],
      ['libvirt.bound-to-host', 'memory shared with the host'],
      ['libvirt.disk-elsewhere', 'vda: iscsi iqn.2001-04.com.example:disk/1'],
      ['libvirt.disk-encrypted', 'vdb: secret.qcow2'],
      ['libvirt.sector-size', 'vdb: secret.qcow2'],
    ]);
    expect(disks[0]!.place).toEqual({ kind: 'elsewhere', what: 'iscsi iqn.2001-04.com.example:disk/1' });
  });

  it('a running one: its chain, its jobs, its agent', () => {
    const { machine, disks, live, agent, nvram } = domain('live-chain');
    expect({ live, agent, state: machine.state }).toEqual({ live: true, agent: true, state: 'running' });
    expect(machine.firmware).toEqual({ kind: 'uefi', secureBoot: false, nvram: true });
    expect(nvram).toEqual({ path: '/var/lib/libvirt/qemu/nvram/live_VARS.qcow2', format: 'qcow2' });
    expect(machine.chipset).toBe('q35');
    expect(disks[0]).toMatchObject({
      backing: [
        { kind: 'file', path: '/images/top.qcow2' },
        { kind: 'block', path: '/dev/vg0/base' },
      ],
      slice: { offset: 1048576, size: 4194304 },
      job: 'active-commit',
    });
    expect(machine.disks[0]!.files).toHaveLength(3);
    expect(machine.disks[0]!.bootable).toBe(true);
  });

  it('counts sizes in all units', () => {
    const memory = (text: string) => small(text).machine.memoryBytes;
    expect(memory('<memory>1024</memory>')).toBe(2 ** 20);
    expect(memory("<memory unit='MB'>3</memory>")).toBe(3e6);
    expect(memory("<memory unit='G'>3</memory>")).toBe(3 * GiB);
    for (const odd of ["<memory unit='?'>1</memory>", '<memory>x</memory>', '<memory>0</memory>', '']) {
      expect(memory(odd)).toBeUndefined();
    }
    expect(memory("<memory unit='TiB'>99999999999999</memory>")).toBeUndefined();
  });

  it('names chipsets and systems', () => {
    const chipset = (machine: string) =>
      small('', `<type arch='x86_64' machine='${machine}'>hvm</type>`).machine.chipset;
    const pairs = [
      ['pc', 'i440fx'],
      ['pc-1.0', 'i440fx'],
      ['pc-i440fx-rhel7.6.0', 'i440fx'],
      ['q35', 'q35'],
      ['virt-8.1', 'virt'],
      ['pseries-rhel8.6.0', 'pseries'],
      ['s390-ccw-virtio-6.2', 's390-ccw-virtio'],
      ['microvm', 'microvm'],
    ] as const;
    for (const [machine, name] of pairs) expect(chipset(machine)).toBe(name);
    const system = (id: string) =>
      small(`<metadata><l:libosinfo xmlns:l='x'><l:os id='${id}'/></l:libosinfo></metadata>`).machine.system;
    expect(system('http://ubuntu.com/ubuntu/22.04')).toMatchObject({ name: 'Ubuntu 22.04', family: 'linux' });
    expect(system('http://microsoft.com/win/2k8r2')?.name).toBe('Windows Server 2008 R2');
    expect(system('http://microsoft.com/win/11')?.name).toBe('Windows 11');
    expect(system('http://freebsd.org/freebsd/14.0')?.family).toBe('bsd');
    expect(system('nonsense')).toBeUndefined();
  });

  it('a domain without anything, and what is no domain', () => {
    expect(small('').machine).toMatchObject({ disks: [], nics: [], findings: [] });
    expect(small('', `<type arch='aarch64' machine='virt'>hvm</type>`).machine.firmware).toBeUndefined();
    for (const text of ['<pool/>', '<domain><name>x</name></domain>', '<domain>', '']) {
      expect(() => readDomain(Buffer.from(text), 'x')).toThrow(
        expect.objectContaining({ kind: expect.stringMatching(/corrupt|unsupported/) }),
      );
    }
  });
});
