import { describe, expect, it } from 'vitest';
import { machinePaths, readMachine } from '../../../src/env-plugins/vsphere/machine.ts';
import { datacenterPath } from '../../../src/env-plugins/vsphere/places.ts';
import { machineValues, places, propertiesOf, withRefs } from './fixtures.ts';

const refs: Record<string, [string, string]> = {
  parent: ['Folder', 'group-v5'],
  'runtime.host': ['HostSystem', 'host-6'],
};

describe('a machine as a vCenter tells it', () => {
  const { machine, files } = readMachine(withRefs(propertiesOf(machineValues), refs), places);

  it('is the neutral machine', () => {
    const { disks, nics, devices, snapshots, findings, ...rest } = machine;
    expect(rest).toEqual({
      id: 'vm-7',
      name: 'web/1',
      state: 'off',
      system: {
        name: 'Debian GNU/Linux 12 (64-bit)',
        family: 'linux',
        architecture: 'x86_64',
        hostname: 'web1.example',
      },
      processors: { count: 8, coresPerSocket: 4 },
      memoryBytes: 16384 * 1024 * 1024,
      firmware: { kind: 'uefi', secureBoot: true },
      uuid: '4210b0a8-0000-1111-2222-333344445555',
      packaging: 'vSphere machine',
      place: '/Europe/Köln 1/vm/web, host esx1.example, cluster Blue',
      description: 'the shop <b>',
    });
    expect(devices).toEqual({
      tpm: { version: '2.0' },
      video: 'vmware',
      consoles: ['serial'],
      cdroms: [{ bus: 'ide', media: '[ssd 1] iso/a.iso' }],
      bound: ['PCI PCI device 0'],
    });
    expect(nics).toEqual([
      { mac: '00:50:56:aa:bb:01', network: 'VLAN 12', model: 'vmxnet3', connected: true, bootOrder: 1 },
      { mac: '00:0c:29:00:00:02', network: 'VM / Net', model: 'e1000', connected: false },
    ]);
    expect(snapshots).toEqual([
      { name: 'before', createdAt: 1767323045, description: 'of the update' },
      { name: 'after', createdAt: 1767398400, current: true },
    ]);
  });

  it('has its disks with controller, place, chain and size on the datastore', () => {
    expect(machine.disks[0]).toEqual({
      id: 'disk-2000',
      name: 'web-000001.vmdk',
      format: 'vmdk',
      virtualSizeBytes: 42949672960,
      allocatedSizeBytes: 1002800,
      bus: 'scsi',
      controllerModel: 'pvscsi',
      controller: 0,
      unit: 0,
      files: ['[ssd 1] web/web-000001.vmdk', '[ssd 1] web/web.vmdk'],
      bootable: true,
      bootOrder: 2,
    });
    expect(machine.disks.map((d) => [d.bus, d.controllerModel, d.controller, d.unit, d.shared])).toEqual([
      ['scsi', 'pvscsi', 0, 0, undefined],
      ['scsi', 'lsilogicsas', 1, 0, true],
      ['nvme', 'nvme', 0, 1, undefined],
      ['scsi', 'pvscsi', 0, 2, undefined],
    ]);
    expect(files.has('[ssd 1] web/web-flat.vmdk')).toBe(true);
  });

  it('says what can not be carried', () => {
    expect(machine.findings.map((f) => [f.severity, f.rule, f.evidence])).toEqual([
      ['note', 'vsphere.change-tracking', undefined],
      ['warning', 'vsphere.encrypted', undefined],
      ['warning', 'vsphere.tpm', undefined],
      ['warning', 'vsphere.rdm', 'Hard disk 17: [ssd 1] web/rdm.vmdk'],
      ['warning', 'vsphere.shared', 'Hard disk 17: [ssd 1] web/rdm.vmdk'],
      ['blocker', 'vsphere.disk-encrypted', 'Hard disk 3: [ssd 1] web/ind.vmdk'],
      ['warning', 'vsphere.independent', 'Hard disk 3: [ssd 1] web/ind.vmdk'],
      ['note', 'vsphere.no-files', 'Hard disk 4: [vsanDatastore] web/v.vmdk'],
    ]);
  });

  it('may be one of which little can be read', () => {
    const missing = propertiesOf(
      { name: 'x', 'runtime.connectionState': 'orphaned', 'runtime.powerState': 'poweredOff' },
      { config: 'System.Read' },
    );
    const { machine: bare } = readMachine(missing, places);
    expect(bare).toMatchObject({ name: 'x', state: 'unknown', disks: [], nics: [] });
    expect(bare.findings.map((f) => [f.rule, f.message])).toEqual([
      ['vsphere.not-connected', 'the server has no connection to this machine (orphaned)'],
      ['vsphere.no-configuration', "its configuration can't be read: System.Read is missing"],
    ]);
  });

  it('may be a template', () => {
    const values = { ...machineValues, 'config.template': 'true' };
    expect(readMachine(propertiesOf(values), places).machine.packaging).toBe('vSphere template');
  });

  it('is asked for by what its server knows', () => {
    expect(machinePaths('2.5')).not.toContain('layoutEx');
    expect(machinePaths('4.1')).toContain('layoutEx');
    expect(machinePaths('4.1')).not.toContain('config.firmware');
    expect(machinePaths('8.0.3.0')).toContain('config.keyId');
  });

  it('is in a datacenter, which may be in folders', () => {
    expect(datacenterPath(places, 'datastore-9')).toBe('Europe/Köln 1');
    expect(datacenterPath(places, 'group-d2')).toBeUndefined();
  });
});

it('tells of a machine that runs without VMware Tools', () => {
  const told = (power: string, tools: string) =>
    readMachine(
      propertiesOf({
        ...machineValues,
        'runtime.powerState': power,
        'guest.toolsRunningStatus': tools,
      }),
      places,
    ).machine.findings.map(({ rule }) => rule);
  expect(told('poweredOn', 'guestToolsNotRunning')).toContain('vsphere.no-tools');
  expect(told('poweredOn', 'guestToolsRunning')).not.toContain('vsphere.no-tools');
  expect(told('poweredOff', 'guestToolsNotRunning')).not.toContain('vsphere.no-tools');
});
