/** Running machines of a real libvirt: held at one point in time, let go as they were, whatever happens between. */
import { execFileSync, spawnSync } from 'node:child_process';
import { access, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type Libvirtd, libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';
import { smallDomain } from './fixtures/domain.ts';
import { sessionWith, signal } from './fixtures/session.ts';

const MiB = 2 ** 20;
const runId = '20260101-000000-abcd';
const hold = (session: Session, machine: Machine, id = runId) =>
  session.source!.hold!(machine, { runId: id, signal, report: () => undefined });

async function guestByte(session: Session, machine: Machine, disk: string, offset: number): Promise<number> {
  const image = await openImage(await session.source!.open(machine, disk, signal), { signal, follow: false });
  const byte = Buffer.alloc(1);
  await image.read(byte, offset, signal);
  await image.close();
  return byte[0]!;
}

/** What the guest would do: QEMU itself writes to the disk, through all that lies between. */
const guestWrites = (server: Libvirtd, uuid: string, pattern: number, offset: number) =>
  server.virsh(
    'qemu-monitor-command',
    uuid,
    '--hmp',
    `qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "write -P ${pattern} ${offset} 4096"`,
  );

describeWith([...libvirtdTools, 'qemu-io', 'losetup'], 'a running machine of libvirt', () => {
  const libvirtd = useLibvirtd();

  /** Two disks in a folder of its own with an odd name, started. */
  async function running(name: string, more: { base?: boolean; type?: 'volume' } = {}) {
    const { folder, virsh } = libvirtd();
    const place = join(folder, `${name}, it's`);
    await mkdir(place);
    const paths = [join(place, 'a.qcow2'), join(place, 'b.raw')] as const;
    if (more.base) {
      await qemuImg('create', '-q', '-f', 'qcow2', join(place, 'base.qcow2'), '8M');
      await qemuIo('qcow2', join(place, 'base.qcow2'), 'write -P 9 2M 1M');
      await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', paths[0]);
    } else await qemuImg('create', '-q', '-f', 'qcow2', paths[0], '8M');
    await qemuIo('qcow2', paths[0], 'write -P 1 0 1M');
    await qemuImg('create', '-q', '-f', 'raw', paths[1], '4M');
    await qemuIo('raw', paths[1], 'write -P 2 0 1M');
    if (more.type === 'volume') {
      await virsh('pool-create-as', name, 'dir', '--target', place);
      onTestFinished(() => void virsh('pool-destroy', name));
    }
    const cdrom = `<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
      <disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='${paths[1]}.fd'/><target dev='fda' bus='fdc'/></disk>`;
    await qemuImg('create', '-q', '-f', 'raw', `${paths[1]}.fd`, '1440k');
    await libvirtd().define(
      smallDomain(
        name,
        [
          more.type === 'volume'
            ? { dev: 'vda', path: `${name}/a.qcow2`, format: 'qcow2', type: 'volume' }
            : { dev: 'vda', path: paths[0], format: 'qcow2', inside: '<serial>S1</serial><boot order="1"/>' },
          { dev: 'vdb', path: paths[1], format: 'raw' },
        ],
        cdrom.replaceAll("it's", 'it&apos;s'),
      ).replace(/'([^'\n]*it&apos;s[^']*)'/g, "'$1'"),
    );
    await virsh('start', name);
    const uuid = (await virsh('domuuid', name)).trim();
    onTestFinished(async () => {
      await virsh('destroy', uuid).catch(() => undefined);
      await virsh('undefine', uuid, '--managed-save').catch(() => undefined);
    });
    const state = async () => ({
      now: withoutIndexes(await virsh('dumpxml', uuid)),
      next: await virsh('dumpxml', '--inactive', uuid),
      files: await readdir(place),
    });
    return { uuid, paths, place, state };
  }

  /** QEMU counts the images that it opens. */
  const withoutIndexes = (xml: string) => xml.replace(/ index='\d+'/g, '');

  it('is read as it was, while it writes on, and is afterwards as before', async () => {
    const { uuid, state } = await running('written');
    const before = await state();
    const session = await sessionWith(libvirtd());
    const machine = await session.source!.inspect(uuid, signal);
    expect(machine.state).toBe('running');
    const held = await hold(session, machine);
    expect(held.findings.map((f) => f.rule)).toEqual(['libvirt.not-quiesced']);
    expect(held.machine.disks).toEqual(machine.disks);
    expect((await state()).files).toHaveLength(before.files.length + 2);
    await guestWrites(libvirtd(), uuid, 7, 0);
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(1);
    expect(await guestByte(session, held.machine, 'vdb', 0)).toBe(2);
    await expect(hold(session, machine, 'another')).rejects.toMatchObject({ kind: 'conflict' });
    expect(await held.release()).toEqual([]);
    expect(await held.release()).toEqual([]);
    expect(await state()).toEqual(before);
    expect(await guestByte(session, machine, 'vda', 0)).toBe(7);
    expect(await guestByte(session, machine, 'vda', 4096)).toBe(1);
  });

  it('keeps its own chain', async () => {
    const { uuid, state } = await running('chain', { base: true });
    const before = await state();
    const session = await sessionWith(libvirtd());
    const held = await hold(session, await session.source!.inspect(uuid, signal));
    expect(await guestByte(session, held.machine, 'vda', 2 * MiB)).toBe(9);
    expect(await held.release()).toEqual([]);
    expect(await state()).toEqual(before);
  });

  it('keeps volumes of pools', async () => {
    const { uuid, state } = await running('volumes', { type: 'volume' });
    const before = await state();
    const session = await sessionWith(libvirtd());
    const held = await hold(session, await session.source!.inspect(uuid, signal));
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(1);
    expect(await held.release()).toEqual([]);
    expect(await state()).toEqual(before);
  });

  it('keeps block devices', async () => {
    const { folder, virsh } = libvirtd();
    const [file, system] = [join(folder, 'device.raw'), join(folder, 'system.qcow2')];
    await qemuImg('create', '-q', '-f', 'raw', file, '4M');
    await qemuIo('raw', file, 'write -P 3 0 1M');
    await qemuImg('create', '-q', '-f', 'qcow2', system, '8M');
    const device = execFileSync('losetup', ['--find', '--show', file]).toString().trim();
    onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
    const disks = [
      { dev: 'vda', path: device, format: 'raw', type: 'block' },
      { dev: 'vdb', path: system, format: 'qcow2' },
    ] as const;
    await libvirtd().define(smallDomain('device', disks));
    await virsh('start', 'device');
    onTestFinished(async () => {
      await virsh('destroy', 'device');
      await virsh('undefine', 'device');
    });
    const before = await virsh('dumpxml', '--inactive', 'device');
    const session = await sessionWith(libvirtd());
    const held = await hold(session, await session.source!.inspect('device', signal));
    await guestWrites(libvirtd(), 'device', 7, 0);
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(3);
    expect(await held.release()).toEqual([]);
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(7);
    expect(await virsh('dumpxml', '--inactive', 'device')).toBe(before);
    expect((await readdir(folder)).filter((name) => name.includes('vmferry'))).toEqual([]);
  });

  it('can be paused, and be shut down meanwhile', async () => {
    const { uuid, state, place } = await running('paused');
    await libvirtd().virsh('suspend', uuid);
    const before = await state();
    const session = await sessionWith(libvirtd());
    const machine = await session.source!.inspect(uuid, signal);
    expect(machine.state).toBe('suspended');
    expect(await (await hold(session, machine)).release()).toEqual([]);
    expect(await state()).toEqual(before);
    const held = await hold(session, machine);
    await guestWrites(libvirtd(), uuid, 8, 0);
    await libvirtd().virsh('destroy', uuid);
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(1);
    expect(await held.release()).toEqual([]);
    expect((await session.source!.inspect(uuid, signal)).state).toBe('off');
    expect(await libvirtd().virsh('dumpxml', '--inactive', uuid)).toBe(before.next);
    expect(await readdir(place)).toEqual(before.files);
    expect(await guestByte(session, machine, 'vda', 0)).toBe(8);
  });

  it('is freed of what a dead run left, and not of what a living one holds', async () => {
    const { uuid, state, place } = await running('left');
    const before = await state();
    const first = await sessionWith(libvirtd());
    const machine = await first.source!.inspect(uuid, signal);
    const held = await hold(first, machine, 'first-run');
    const second = await sessionWith(libvirtd());
    await expect(hold(second, machine, 'second-run')).rejects.toMatchObject({
      kind: 'conflict',
      message: 'run first-run holds this machine',
    });
    expect(await held.release()).toEqual([]);
    expect(await state()).toEqual(before);
    for (const target of ['vda', 'vdb']) {
      const file = join(place, `vmferry-dead-run-${uuid.slice(0, 8)}-${target}.qcow2`).replaceAll(',', ',,');
      const other = target === 'vda' ? 'vdb' : 'vda';
      await libvirtd().virsh(
        'snapshot-create-as',
        uuid,
        '--disk-only',
        '--no-metadata',
        `--diskspec=${target},file=${file}`,
        `--diskspec=${other},snapshot=no`,
        '--diskspec=fda,snapshot=no',
      );
    }
    // It died in the middle of a merge.
    await libvirtd().virsh('blockcommit', uuid, 'vdb', '--shallow', '--active');
    await guestWrites(libvirtd(), uuid, 5, 0);
    const third = await hold(second, await second.source!.inspect(uuid, signal), 'third-run');
    expect(third.findings.map((f) => f.rule)).toEqual([
      'libvirt.leftover-merged',
      'libvirt.leftover-merged',
      'libvirt.not-quiesced',
    ]);
    expect(await guestByte(second, third.machine, 'vda', 0)).toBe(5);
    expect(await third.release()).toEqual([]);
    expect(await state()).toEqual(before);
  });

  it('is freed of what a killed process left', async () => {
    const { uuid, state } = await running('killed');
    const before = await state();
    const script = join(import.meta.dirname, 'fixtures', 'hold-and-die.ts');
    const died = spawnSync(process.execPath, ['--import', 'tsx', script, libvirtd().uri, uuid, 'killed-run']);
    expect(died.signal).toBe('SIGKILL');
    expect((await state()).files).toHaveLength(before.files.length + 2);
    await guestWrites(libvirtd(), uuid, 4, 0);
    const session = await sessionWith(libvirtd());
    const machine = await session.source!.inspect(uuid, signal);
    const left = (found: Machine) => found.findings.filter((f) => f.rule === 'libvirt.overlay-left');
    expect(left(machine)).toHaveLength(2);
    const held = await hold(session, machine, 'next-run');
    expect(left(held.machine)).toEqual([]);
    expect(held.findings.map((f) => f.rule)).toContain('libvirt.leftover-merged');
    expect(await guestByte(session, held.machine, 'vda', 0)).toBe(4);
    expect(await held.release()).toEqual([]);
    expect(await state()).toEqual(before);
  });

  it('is left alone when it is cancelled or can not be held', async () => {
    const { uuid, state, paths } = await running('cancelled');
    const before = await state();
    const session = await sessionWith(libvirtd());
    const machine = await session.source!.inspect(uuid, signal);
    const abort = new AbortController();
    const report = () => abort.abort();
    await expect(
      session.source!.hold!(machine, { runId, signal: abort.signal, report }),
    ).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await state()).toEqual(before);
    await libvirtd().virsh('destroy', uuid);
    const off = await hold(session, await session.source!.inspect(uuid, signal));
    expect(off.findings).toEqual([]);
    expect(await off.release()).toEqual([]);
    await access(paths[0]);
  });
});
