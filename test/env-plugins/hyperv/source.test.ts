import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { putVhd } from '../../servers/hyperv.ts';
import { bytesOf, hostWithMachine, listed, MiB, never, sessionAt } from './host.ts';

const rules = (findings: readonly { rule: string }[]) => findings.map(({ rule }) => rule);

describe('machines of a Hyper-V host', () => {
  it('are told with their hardware', async () => {
    const { host, vm, expected } = await hostWithMachine();
    const [machine, ...more] = await listed(await sessionAt(host));
    expect(more).toEqual([]);
    expect(machine).toMatchObject({
      id: vm.id,
      name: 'web',
      state: 'off',
      processors: { count: 4 },
      memoryBytes: 2048 * MiB,
      firmware: { kind: 'uefi', secureBoot: true },
      nics: [
        { mac: '00:15:5d:01:02:03', network: 'LAN', model: 'netvsc', connected: true },
        { model: 'netvsc', connected: false },
      ],
      devices: { cdroms: [{ bus: 'scsi' }] },
      packaging: 'Hyper-V generation 2',
      description: 'the shop',
    });
    expect(machine!.nics[1]).not.toHaveProperty('mac');
    expect(machine!.disks).toEqual([
      {
        id: 'scsi0:0',
        name: 'child.avhdx',
        format: 'vhdx',
        virtualSizeBytes: expected.length,
        allocatedSizeBytes: expect.any(Number),
        bus: 'scsi',
        controllerModel: 'hyperv',
        controller: 0,
        unit: 0,
        files: ['C:\\VMs\\web\\child.avhdx', 'C:\\VMs\\web\\base.vhdx'],
        bootable: true,
      },
    ]);
    expect(rules(machine!.findings)).toEqual(['hyperv.dynamic-memory', 'hyperv.secure-boot-template']);
  });

  it('of generation 1 have a BIOS, IDE and a legacy adapter; what stays behind is a finding', async () => {
    const { host, vm } = await hostWithMachine('Saved', {
      generation: 1,
      clustered: true,
      replicationMode: 'Replica',
      replication: 'Replicating',
      tpm: true,
      shielded: true,
      adapters: [{ mac: '00155D010204', network: 'LAN', legacy: true }],
    });
    vm.disks = [
      { bus: 'IDE', controller: 0, unit: 1, path: 'C:\\gone.vhd' },
      { bus: 'SCSI', controller: 0, unit: 3, path: 'Disk 2 40.00 GB', diskNumber: 2 },
    ];
    const [machine] = await listed(await sessionAt(host));
    expect(machine).toMatchObject({
      state: 'suspended',
      firmware: { kind: 'bios' },
      nics: [{ model: 'tulip' }],
    });
    expect(machine!.disks.map(({ id, bootable }) => [id, bootable])).toEqual([
      ['ide0:1', true],
      ['scsi0:3', undefined],
    ]);
    for (const rule of [
      'shielded',
      'tpm-left',
      'clustered',
      'replicated',
      'disk-unreadable',
      'disk-physical',
    ])
      expect(rules(machine!.findings)).toContain(`hyperv.${rule}`);
  });

  it('are found by id and by name; a machine that is not there is named', async () => {
    const { host, vm } = await hostWithMachine();
    const { source } = await sessionAt(host);
    expect(await source!.inspect('web', never)).toMatchObject({ id: vm.id });
    expect(await source!.inspect(vm.id.toUpperCase(), never)).toMatchObject({ id: vm.id });
    host.vms.push({ ...vm, id: '11111111-2222-4333-8444-555555555555' });
    for (const id of ['web', 'other', '00000000-2222-4333-8444-555555555555'])
      await expect(source!.inspect(id, never)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('give the bytes of their chain', async () => {
    const { host, expected } = await hostWithMachine();
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    const disk = await source!.open(machine, 'scsi0:0', never);
    expect((await bytesOf(disk)).equals(expected)).toBe(true);
    await expect(source!.open(machine, 'ide0:0', never)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('give it also where a parent lies in another folder, as the host tells', async () => {
    const { host, vm, expected } = await hostWithMachine();
    const from = await readFile(host.local(vm.disks[0]!.path));
    const path = 'C:\\Other\\deep\\child.avhdx';
    await putVhd(host, path, from, { size: expected.length, parent: 'C:\\VMs\\web\\base.vhdx' });
    vm.disks[0]!.path = path;
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    const disk = await source!.open(machine, 'scsi0:0', never);
    expect((await bytesOf(disk)).equals(expected)).toBe(true);
  });

  it('are not read while they run, nor from a share or a disk passed through', async () => {
    const { host, vm } = await hostWithMachine('Running');
    const { source } = await sessionAt(host);
    const machine = await source!.inspect('web', never);
    await expect(source!.open(machine, 'scsi0:0', never)).rejects.toMatchObject({ kind: 'conflict' });
    vm.state = 'Paused';
    await expect(source!.open(machine, 'scsi0:0', never)).rejects.toMatchObject({ kind: 'conflict' });
    vm.state = 'Off';
    vm.disks[0]!.path = '\\\\server\\share\\a.vhdx';
    await expect(source!.open(machine, 'scsi0:0', never)).rejects.toMatchObject({ kind: 'unsupported' });
    vm.disks[0]!.diskNumber = 3;
    await expect(source!.open(machine, 'scsi0:0', never)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});
