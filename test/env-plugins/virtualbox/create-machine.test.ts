/** A machine made by VBoxManage: what it is asked, what VirtualBox makes of it, and what is left when it refuses. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import { destinationRole } from '../../../src/env-plugins/virtualbox/destination.ts';
import { sourceRole } from '../../../src/env-plugins/virtualbox/source.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { tempFolder } from '../../temp.ts';
import { hostWithManage } from './host-with-manage.ts';
import { fakeManage } from './machine-folder.ts';
import { diskOf, requestFor, small, vdiHead } from './request.ts';

const signal = new AbortController().signal;

describe('with VBoxManage', () => {
  async function withManage() {
    const fake = await tempFolder();
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('PATH', `${fakeManage}:${process.env.PATH}`);
    vi.stubEnv('FAKE_VBOX', fake);
    const folder = await tempFolder();
    const host = hostWithManage(fake);
    const destination = destinationRole(host, folder);
    const source = sourceRole(host, { home: folder, folders: [folder], asked: true });
    const deliver = async (more: Partial<DeliveryRequest> = {}) => {
      const delivery = await destination.begin(requestFor(folder, small, more));
      const sink = await delivery.sink({ name: 'm.vdi' });
      await sink.write(vdiHead(1), 0);
      await sink.finish(1024);
      return delivery;
    };
    return { fake, folder, source, destination, deliver };
  }

  it('it is registered and started; its name is taken then', async () => {
    const { folder, destination, source, deliver } = await withManage();
    const delivery = await deliver();
    const vbox = (await delivery.commit()).at(-1)!;
    expect(await delivery.start!(signal)).toBe('running');
    expect((await source.inspect(vbox, signal)).state).toBe('running');
    const again = await destination.check(requestFor(await tempFolder(), small), ['m.vdi'], 1);
    expect(again.filter((f) => f.severity === 'blocker').map((f) => f.rule)).toEqual([
      'virtualbox.name-taken',
    ]);
    // Also what a run that was killed has left half made is taken out so.
    expect(again.find((f) => f.rule === 'virtualbox.name-taken')!.remedy).toMatch(
      /VBoxManage unregistervm [0-9a-f-]{36}$/,
    );
    expect(dirname(vbox)).toBe(join(folder, 'm'));
  });

  it('nothing is left of what VirtualBox refuses, at any step', async () => {
    const { fake, folder, deliver } = await withManage();
    // Another machine has a disk of the same UUID.
    const first = await deliver({ name: 'first' });
    await first.commit();
    const delivery = await deliver();
    await expect(delivery.commit()).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('Cannot register the hard disk'),
    });
    expect(await delivery.rollback()).toEqual([]);
    for (const command of ['createvm', 'modifyvm', 'storagectl']) {
      writeFileSync(join(fake, `refuse-${command}`), 'not today');
      const refused = await deliver();
      await expect(refused.commit()).rejects.toMatchObject({ message: expect.stringContaining('not today') });
      await refused.rollback();
      rmSync(join(fake, `refuse-${command}`));
    }
    expect(readdirSync(folder)).toEqual(['first']);
    expect(readFileSync(join(fake, 'vms'), 'utf8')).toMatch(/^"first" \{[^\n]*\}\n$/);
  });

  it('what is replaced by force comes back when VirtualBox refuses the new one', async () => {
    const { fake, folder, deliver } = await withManage();
    mkdirSync(join(folder, 'm'));
    for (const name of ['m.vbox', 'm.vdi']) writeFileSync(join(folder, 'm', name), 'old');
    await expect(deliver()).rejects.toMatchObject({ kind: 'conflict' });
    writeFileSync(join(fake, 'refuse-modifyvm'), 'not today');
    const refused = await deliver({ force: true });
    await expect(refused.commit()).rejects.toMatchObject({ kind: 'io' });
    await refused.rollback();
    const there = () => readdirSync(join(folder, 'm')).sort();
    expect(there()).toEqual(['m.vbox', 'm.vdi']);
    for (const name of there()) expect(readFileSync(join(folder, 'm', name), 'utf8')).toBe('old');
    rmSync(join(fake, 'refuse-modifyvm'));
    await (await deliver({ force: true })).commit();
    expect(there()).toEqual(['m.vbox', 'm.vdi']);
    expect(readFileSync(join(folder, 'm/m.vbox'), 'utf8')).toContain('version="1.19-linux"');
  });

  it('says when VirtualBox does not list it any more, and tells what it is asked', async () => {
    const { fake, deliver } = await withManage();
    writeFileSync(join(fake, 'refuse-storagectl'), 'full');
    writeFileSync(join(fake, 'refuse-unregistervm'), 'locked');
    const delivery = await deliver();
    await expect(delivery.commit()).rejects.toMatchObject({ message: expect.stringMatching(/full$/) });
    expect(await delivery.rollback()).toEqual([
      {
        what: expect.stringMatching(/lists? the machine "m" still .*locked/),
        command: expect.stringMatching(/^'VBoxManage' 'unregistervm' '[0-9a-f-]{36}'$/),
      },
    ]);
  });

  it('is made with several controllers, each disk on its own place, and read back as VirtualBox writes it', async () => {
    const { fake, destination, source, folder } = await withManage();
    const scsi = { bus: 'scsi', controllerModel: 'lsilogic' } as const;
    const machine: Machine = {
      ...{ ...small, name: 'Büro & "Co"', uuid: '564d3a9f-0102-0304-0506-0708090a0b0c' },
      system: { name: 'Windows Server 2019', family: 'windows', architecture: 'x86_64' },
      firmware: { kind: 'uefi' },
      disks: [
        diskOf('a', { ...scsi, controller: 0, unit: 0, bootable: true }),
        diskOf('b', { ...scsi, controller: 1, unit: 4 }),
        diskOf('c', { bus: 'ide', controller: 1, unit: 1 }),
        diskOf('d', { bus: 'sata', controller: 2, unit: 7 }),
        diskOf('e', { bus: 'nvme', controller: 0, unit: 0 }),
        diskOf('f', { bus: 'usb', controller: 0, unit: 2 }),
      ],
      nics: [
        { mac: '52:54:00:aa:bb:cc', network: 'bridged eth0', model: 'virtio', connected: false },
        { mac: '52:54:00:aa:bb:cd', network: 'internal intnet', model: 'pcnet32', connected: true },
        { model: 'e1000', network: 'natnetwork net 1', connected: true },
      ],
      devices: { cdroms: [{ bus: 'ide' }], consoles: ['serial'], tpm: { version: '2.0' }, clock: 'utc' },
      chipset: 'q35',
      description: 'one\n-two "three"',
    };
    const request = requestFor(folder, machine);
    const delivery = await destination.begin(request);
    for (const i of machine.disks.keys()) {
      const sink = await delivery.sink({ name: `d${i}.vdi` });
      await sink.write(vdiHead(i + 1), 0);
      await sink.finish(1024);
    }
    const vbox = (await delivery.commit()).at(-1)!;
    expect(vbox).toBe(join(folder, 'Büro _ _Co_/Büro _ _Co_.vbox'));
    const back = await source.inspect(vbox, signal);
    expect(back).toMatchObject({
      ...{ name: machine.name, uuid: machine.uuid, chipset: 'q35', description: machine.description },
      ...{ firmware: { kind: 'uefi' }, memoryBytes: machine.memoryBytes, processors: machine.processors },
      disks: [
        { id: 'ide1:1', name: 'd2.vdi' },
        { id: 'sata0:7', name: 'd3.vdi' },
        { id: 'scsi0:0', name: 'd0.vdi', controllerModel: 'lsilogic', bootable: true },
        { id: 'scsi1:4', name: 'd1.vdi', controllerModel: 'lsilogic' },
        { id: 'nvme0:0', name: 'd4.vdi' },
        { id: 'usb0:2', name: 'd5.vdi' },
      ],
      nics: [machine.nics[0], machine.nics[1], { ...machine.nics[2], mac: '08:00:27:fe:dc:ba' }],
      devices: { ...machine.devices, video: 'vboxsvga' },
      // It knows a closer type than the one that all versions know.
      system: { name: 'Windows Server 2019', family: 'windows', architecture: 'x86_64' },
    });
    const guest = await destination.hardware!(request);
    expect(guest.disks.map((d) => `${d.bus}${d.controller}:${d.unit}`)).toEqual(
      ['d0', 'd1', 'd2', 'd3', 'd4', 'd5'].map(
        (name) => back.disks.find((d) => d.name === `${name}.vdi`)!.id,
      ),
    );
    expect(readFileSync(join(fake, 'said'), 'utf8')).not.toContain('registervm');
  });

  it('its state is watched until it runs; one that fails is told', async () => {
    const { fake, folder, deliver } = await withManage();
    const delivery = await deliver({ settings: { folder, screen: 'gui' } });
    await delivery.commit();
    writeFileSync(join(fake, 'states'), 'starting\nrunning');
    expect(await delivery.start!(signal)).toBe('running');
    expect(readFileSync(join(fake, 'said'), 'utf8')).toMatch(/^startvm \S+ --type gui$/m);
    writeFileSync(join(fake, 'states'), 'starting\naborted');
    await expect(delivery.start!(signal)).rejects.toMatchObject({
      message: expect.stringContaining('"aborted"'),
    });
  });

  it('an older VirtualBox is not asked for what it does not have', async () => {
    const { fake, folder, destination } = await withManage();
    writeFileSync(
      join(fake, 'version'),
      'WARNING: The vboxdrv kernel module is not loaded.\n5.2.44r139111\n',
    );
    const machine: Machine = {
      ...small,
      disks: [diskOf('a', { bus: 'scsi', controllerModel: 'virtio-scsi' })],
      devices: { tpm: { version: '2.0' } },
    };
    const found = await destination.check(requestFor(folder, machine), ['m.vdi'], 1);
    expect(found.filter((f) => f.rule === 'virtualbox.too-old').map((f) => f.severity)).toEqual([
      'blocker',
      'warning',
    ]);
  });

  it('names the networks that are there, and choices that are the defaults', async () => {
    const { destination } = await withManage();
    expect(await destination.networks!(signal)).toEqual([
      'nat',
      'bridged eth0',
      'bridged wlan0',
      'hostonly vboxnet0',
      'internal intnet',
    ]);
    for (const field of await destination.fields!(signal)) {
      if (field.choices !== undefined) expect(field.choices).toContain(field.default);
    }
  });
});
