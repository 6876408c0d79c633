/** A machine that runs is held by an online snapshot, which goes again. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { virtualboxPlugin } from '../../../src/env-plugins/virtualbox/index.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { fakeManage, machineFolder, oneDisk, oneDiskUuid } from './machine-folder.ts';

const signal = new AbortController().signal;
const connect = (folders: string) => virtualboxPlugin().connect({ folders }, noSecrets());

describe('a machine that runs', () => {
  async function runningMachine(chain: readonly string[] = ['m.vdi']) {
    const root = await tempFolder();
    const fake = await tempFolder();
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('PATH', `${fakeManage}:${process.env.PATH}`);
    vi.stubEnv('FAKE_VBOX', fake);
    const vbox = await machineFolder(root, 'm', oneDisk('m', chain), ['m.vdi', 'n.vdi']);
    await writeFile(join(fake, 'running'), `"m" {${oneDiskUuid}}\n`);
    await writeFile(join(fake, 'vbox'), vbox);
    await writeFile(join(fake, 'after-take.vbox'), oneDisk('m', ['m.vdi', 'n.vdi'], 'SNAPSHOT-NAME'));
    await writeFile(join(fake, 'after-delete.vbox'), oneDisk('m', ['m.vdi']));
    const said = async () => (await readFile(join(fake, 'said'), 'utf8')).split('\n');
    return { vbox, fake, said, session: await connect(root) };
  }
  const options = { runId: '20260101-000000-abcd', signal, report: () => undefined };
  const snapshots = async (said: () => Promise<string[]>) =>
    (await said()).filter((line) => line.startsWith('snapshot'));

  it('is held by a snapshot, which is deleted in the end', async () => {
    const { vbox, said, session } = await runningMachine();
    const machine = await session.source!.inspect(vbox, signal);
    expect(machine.state).toBe('running');
    const hold = await session.source!.hold!(machine, options);
    expect(hold.machine.disks[0]!.name).toBe('m.vdi');
    expect(hold.findings.map((f) => f.rule)).toEqual(['virtualbox.not-quiesced']);
    const disk = await session.source!.open(machine, 'sata0:0', signal);
    expect(disk.source.name).toMatch(/\/m\.vdi$/);
    await disk.source.close();
    await hold.verify!(signal);
    expect(await hold.release()).toEqual([]);
    expect(await hold.release()).toEqual([]);
    expect(await snapshots(said)).toEqual([
      `snapshot ${oneDiskUuid} take vmferry-${options.runId} --live`,
      `snapshot ${oneDiskUuid} delete vmferry-${options.runId}`,
    ]);
    await session.close();
  });

  it('is not held when VirtualBox takes no snapshot, or a disk is in none', async () => {
    const { vbox, fake, said, session } = await runningMachine();
    const machine = await session.source!.inspect(vbox, signal);
    // The disk in use stays the same one.
    await writeFile(join(fake, 'after-take.vbox'), oneDisk('m', ['m.vdi'], 'SNAPSHOT-NAME'));
    await expect(session.source!.hold!(machine, options)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('writethrough'),
    });
    expect((await snapshots(said)).at(-1)).toContain('delete');
    await writeFile(join(fake, 'refuse'), '');
    await expect(session.source!.hold!(machine, options)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('Cannot take a snapshot'),
      hint: 'shut it down first',
    });
    await session.close();
  });

  it('loses first what a dead run left', async () => {
    const { vbox, said, session } = await runningMachine();
    await writeFile(vbox, oneDisk('m', ['m.vdi', 'n.vdi'], 'vmferry-20250101-000000-dead'));
    const machine = await session.source!.inspect(vbox, signal);
    const hold = await session.source!.hold!(machine, options);
    expect(hold.findings.map((f) => f.rule)).toContain('virtualbox.leftover-deleted');
    expect((await snapshots(said))[0]).toContain('delete vmferry-20250101-000000-dead');
    await hold.release();
    await session.close();
  });
});
