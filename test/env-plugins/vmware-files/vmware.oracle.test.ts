/** What is written is judged by qemu-img, libvmdk and virt-v2v; snapshots made by qemu-img are read; vmrun is a fake. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { codecById } from '../../../src/codecs/registry.ts';
import { openMachineDisk } from '../../../src/convert/open-machine.ts';
import type { DeliveryRequest, Session } from '../../../src/env-plugins/plugin.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { pour } from '../../../src/io/encoded-file.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { resolveOptions } from '../../../src/model/options.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { compareImages, qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const signal = new AbortController().signal;
const run = promisify(execFile);
const mib = 2 ** 20;
const connect = (folders: string): Promise<Session> => vmwareFilesPlugin().connect({ folders }, noSecrets());

const machine: Machine = {
  ...{ id: 'm', name: 'Büro "x" #1', state: 'off', nics: [], findings: [] },
  system: { name: 'Debian GNU/Linux 12', family: 'linux', architecture: 'x86_64' },
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: 1024 * mib,
  firmware: { kind: 'uefi' },
  disks: [
    { id: 'a', name: 'a', bus: 'scsi', controllerModel: 'pvscsi', controller: 0, unit: 0, files: [] },
    { id: 'b', name: 'b', bus: 'sata', controller: 0, unit: 0, files: [] },
  ],
};

/** Two disks of random bytes with gaps, delivered with this layout. */
async function deliver(folder: string, subformat: string) {
  const raw: string[] = [];
  for (const n of [1, 2]) {
    const path = join(folder, `disk${n}.raw`);
    writeFileSync(
      path,
      Buffer.concat([randomBytes(mib), Buffer.alloc(3 * mib), randomBytes(n * 1000), Buffer.alloc(24)]),
    );
    raw.push(path);
  }
  await qemuImg('resize', '-f', 'raw', raw[0]!, '5M');
  await qemuImg('resize', '-f', 'raw', raw[1]!, '6M');
  const session = await connect('/');
  onTestFinished(() => session.close());
  const request: DeliveryRequest = {
    ...{ name: machine.name, machine, settings: { folder: join(folder, 'to') } },
    ...{ force: false, sync: false, runId: 'test', signal },
  };
  const delivery = await session.destination!.begin(request);
  onTestFinished(async () => void (await delivery.rollback()));
  const encoder = codecById('vmdk').encoder!;
  for (const [i, path] of raw.entries()) {
    const disk = sourceDisk(await fileSource(path));
    onTestFinished(() => disk.close());
    const options = resolveOptions(encoder.options, { subformat });
    for (const file of await encoder.encode(disk, `Büro _x_ #1-disk${i + 1}.vmdk`, options))
      await pour(file, await delivery.sink(file));
  }
  const places = await delivery.commit();
  return { raw, session, delivery, vmx: places.at(-1)! };
}

describeWith(['qemu-img', 'vmdkinfo', 'virt-v2v'], 'a machine that is written for VMware', () => {
  it.each(['monolithicSparse', 'twoGbMaxExtentSparse', 'monolithicFlat'])(
    '%s: others read its disks and its .vmx',
    async (subformat) => {
      const folder = await tempFolder();
      const { raw, session, vmx } = await deliver(folder, subformat);
      const back = await session.source!.inspect(vmx, signal);
      expect(back.disks.map((disk) => disk.name)).toEqual([
        'Büro _x_ #1-disk1.vmdk',
        'Büro _x_ #1-disk2.vmdk',
      ]);
      for (const [i, { files }] of back.disks.entries()) {
        await compareImages(raw[i]!, 'raw', files[0]!, 'vmdk');
        expect((await run('vmdkinfo', [files[0]!])).stdout).toContain('Number of extents');
      }
      const { stdout } = await run('virt-v2v', ['-i', 'vmx', '--print-source', vmx], {
        env: { ...process.env, LIBGUESTFS_BACKEND: 'direct' },
      });
      expect(stdout).toContain('source name: Büro "x" #1');
      expect(stdout).toMatch(/memory: 1073741824 /);
      expect(stdout).toContain('nr vCPUs: 4');
      expect(stdout).toContain('sockets: 2 cores/socket: 2');
      expect(stdout).toMatch(/firmware: uefi/);
      expect(stdout).toMatch(/0 \[scsi\]/);
      expect(stdout).toMatch(/1 \[sata\]/);
    },
    60_000,
  );
});

describeWith(['qemu-img'], 'layouts that VMware does not run', () => {
  it.each(['streamOptimized', 'vmfs'])('%s is refused', async (subformat) => {
    await expect(deliver(await tempFolder(), subformat)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'a machine with snapshots', () => {
  it('its present state and each snapshot are read through the chain of its disks', async () => {
    const root = await tempFolder();
    const folder = join(root, 'm');
    mkdirSync(folder);
    const chain = ['m.vmdk', 'm-000001.vmdk', 'm-000002.vmdk'];
    for (const [i, name] of chain.entries()) {
      const path = join(folder, name);
      const below = i === 0 ? [] : ['-b', chain[i - 1]!, '-F', 'vmdk'];
      await qemuImg('create', '-q', '-f', 'vmdk', ...below, path, ...(i === 0 ? ['4M'] : []));
      await qemuIo('vmdk', path, `write -P ${i + 1} ${i}M 1M`);
    }
    const line = (key: string, value: string) => `${key} = "${value}"\n`;
    const vmx = join(folder, 'm.vmx');
    writeFileSync(
      vmx,
      line('scsi0.present', 'TRUE') + line('scsi0:0.present', 'TRUE') + line('scsi0:0.fileName', chain[2]!),
    );
    const snapshots = chain.slice(0, 2).map((name, i) => {
      const key = (rest: string, value: string) => line(`snapshot${i}.${rest}`, value);
      const disk = key('numDisks', '1') + key('disk0.fileName', name) + key('disk0.node', 'scsi0:0');
      return key('uid', String(i + 1)) + key('displayName', `state ${i + 1}`) + disk;
    });
    writeFileSync(join(folder, 'm.vmsd'), line('snapshot.numSnapshots', '2') + snapshots.join(''));
    const session = await connect(root);
    const patterns = async (id: string) => {
      const now = await session.source!.inspect(id, signal);
      const image = await openMachineDisk(session, { machine: id, follow: false }, now, 'scsi0:0', {
        ...{ signal, runId: 'test', spoolFolder: root },
      });
      const whole = Buffer.alloc(image.size);
      await image.read(whole, 0);
      await image.close();
      expect(whole.every((byte, at) => byte === whole[at - (at % mib)])).toBe(true);
      return [0, 1, 2, 3].map((n) => whole[n * mib]);
    };
    expect(await patterns(vmx)).toEqual([1, 2, 3, 0]);
    expect(await patterns(`${vmx}#state 1`)).toEqual([1, 0, 0, 0]);
    expect(await patterns(`${vmx}#2`)).toEqual([1, 2, 0, 0]);
    await session.close();
  });
});

async function withVmrun(): Promise<string> {
  const state = await tempFolder();
  vi.stubEnv('FAKE_VMRUN', state);
  vi.stubEnv('PATH', join(import.meta.dirname, 'fake-vmrun') + delimiter + process.env.PATH);
  onTestFinished(() => void vi.unstubAllEnvs());
  return state;
}

describe('with a vmrun (a fake one)', () => {
  it('starts what was delivered, and lists what runs', async () => {
    const state = await withVmrun();
    const { session, delivery, vmx } = await deliver(await tempFolder(), 'monolithicSparse');
    expect((await session.source!.inspect(vmx, signal)).state).toBe('off');
    expect(await delivery.start!(signal)).toBe('running');
    expect(await readFile(join(state, 'said'), 'utf8')).toContain(`start ${vmx} nogui\n`);
    const now = await session.source!.inspect(vmx, signal);
    expect(now.state).toBe('running');
    const other = await connect(dirname(vmx));
    const found: Machine[] = [];
    await other.source!.list({ signal, found: (m) => void found.push(m) });
    expect(found.map((m) => m.state)).toEqual(['running']);
    await other.close();
    writeFileSync(join(state, 'refuse'), '');
    writeFileSync(join(state, 'running'), '');
    await expect(delivery.start!(signal)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('The operation was canceled'),
    });
  });

  it('says so where there is none', async () => {
    const { delivery } = await deliver(await tempFolder(), 'monolithicSparse');
    await expect(delivery.start!(signal)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'a machine that runs, with a vmrun (a fake one)', () => {
  async function runningMachine() {
    const state = await withVmrun();
    const folder = await tempFolder();
    const vmx = join(folder, "it's m.vmx");
    const line = (key: string, value: string) => `${key} = "${value}"\n`;
    writeFileSync(
      vmx,
      line('scsi0.present', 'TRUE') + line('scsi0:0.present', 'TRUE') + line('scsi0:0.fileName', 'a.vmdk'),
    );
    const disk = join(folder, 'a.vmdk');
    await qemuImg('create', '-q', '-f', 'vmdk', disk, '1M');
    await qemuIo('vmdk', disk, 'write -P 1 0 1M');
    writeFileSync(join(state, 'running'), `${vmx}\n`);
    const session = await connect(folder);
    onTestFinished(() => session.close());
    const firstByte = async (of: Machine) => {
      const source = { machine: vmx, follow: false };
      const image = await openMachineDisk(session, source, of, 'scsi0:0', {
        ...{ signal, runId: 'test', spoolFolder: folder },
      });
      const byte = Buffer.alloc(1);
      await image.read(byte, 0);
      await image.close();
      return byte[0];
    };
    const options = (runId: string) => ({ runId, signal, report: () => undefined });
    const machine = await session.source!.inspect(vmx, signal);
    return { state, folder, vmx, session, firstByte, options, machine };
  }

  it('is held by a snapshot, which is deleted in the end', async () => {
    const { state, folder, vmx, session, firstByte, options, machine } = await runningMachine();
    expect(machine.state).toBe('running');
    const hold = await session.source!.hold!(machine, options('r1'));
    expect(hold.findings.map((f) => f.rule)).toEqual(['vmware.not-quiesced']);
    await qemuIo('vmdk', join(folder, 'a-000001.vmdk'), 'write -P 2 0 1M');
    expect(await firstByte(hold.machine)).toBe(1);
    await hold.verify!(signal);
    expect(await hold.release()).toEqual([]);
    expect(await hold.release()).toEqual([]);
    expect(await firstByte(machine)).toBe(2);
    expect((await session.source!.inspect(vmx, signal)).snapshots).toBeUndefined();
    expect((await readFile(join(state, 'said'), 'utf8')).split('\n')).toContain(
      `deleteSnapshot ${vmx} vmferry-r1`,
    );
    await expect(hold.verify!(signal)).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('has what a dead run left deleted, and not what one that lives holds', async () => {
    const { session, options, machine, vmx } = await runningMachine();
    await run('vmrun', ['snapshot', vmx, 'vmferry-dead'], { env: process.env });
    const hold = await session.source!.hold!(machine, options('r2'));
    expect(hold.findings.map((f) => f.rule)).toEqual(['vmware.leftover-deleted', 'vmware.not-quiesced']);
    const other = await connect(dirname(vmx));
    await expect(other.source!.hold!(machine, options('r3'))).rejects.toMatchObject({ kind: 'conflict' });
    await other.close();
    expect(await hold.release()).toEqual([]);
  });

  it('is not held where there are no snapshots; nothing is left', async () => {
    const { session, options, machine, state, vmx } = await runningMachine();
    writeFileSync(join(state, 'no-snapshots'), '');
    await expect(session.source!.hold!(machine, options('r4'))).rejects.toMatchObject({
      kind: 'unsupported',
      hint: 'shut it down first',
    });
    expect(await readFile(vmx, 'utf8')).toContain('"a.vmdk"');
  });
});
