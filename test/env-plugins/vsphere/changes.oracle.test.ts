/** Warm: a machine of vcsim carried while it runs, with pyVmomi as a second client of the same server. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KiB, MiB } from '../../../src/model/units.ts';
import { describeWith } from '../../oracles/requires.ts';
import { pyvmomiTools, startVcsim, vcsimTools } from '../../servers/vcsim.ts';
import { connected, never } from './connected.ts';
import { python } from './pyvmomi.ts';
import { carry, machineName, putDisk, someDisk } from './warm-machine.ts';

const turnOn = (on: boolean) =>
  `WaitForTask(vms["${machineName}"].ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=${on ? 'True' : 'False'})))`;
/** Not waited for by pyVmomi: vcsim's task names the snapshot as its entity, which no managed entity is. */
const removeSnapshot = [
  `vms["${machineName}"].snapshot.currentSnapshot.RemoveSnapshot_Task(False)`,
  `while vms["${machineName}"].snapshot: pass`,
].join('\n');
const snapshotCycle = [
  `WaitForTask(vms["${machineName}"].CreateSnapshot("cycle", "", False, False))`,
  removeSnapshot,
].join('\n');
const isOn = `out = vms["${machineName}"].config.changeTrackingEnabled`;

async function started() {
  const server = await startVcsim({ machines: 1, running: true });
  const disk = someDisk(randomBytes);
  await putDisk(server, disk);
  return { server, disk };
}

describeWith([...vcsimTools, ...pyvmomiTools], 'vSphere, a machine carried while it runs', () => {
  it('is what it was at its end; each pass reads what changed; tracking is turned on meanwhile', async () => {
    const { server, disk } = await started();
    const run = await carry(server, {
      confirm: true,
      async before(pass) {
        // Scattered, so that the server tells it in several answers; and zeros over data.
        if (pass === 2) {
          for (let i = 0; i < 10; i++) randomBytes(100).copy(disk, (4 + i) * MiB + 10);
          disk.fill(0, 256 * KiB, MiB);
        }
        if (pass === 3) disk.write('at its end', 9 * MiB);
        if (pass > 1) await putDisk(server, disk);
      },
    });
    await run.outcome;
    expect((await readFile(join(run.folder, 'result.raw'))).equals(disk)).toBe(true);
    const block = 64 * KiB;
    expect(run.passes().map((p) => [p.last, p.bytesRead])).toEqual([
      [false, 2 * MiB + block],
      [false, 10 * block + 768 * KiB],
      [true, block],
    ]);
    expect(run.logs()).toContainEqual(expect.stringMatching(/^pass 3, the last one: 64 KiB changed/));
    expect(run.logs()).not.toContainEqual(expect.stringContaining('compared'));
    await run.expectClean();
    expect(await python(server, isOn)).toBe(false);
  });

  it('compares what is not tracked: off and no word, left out by its own flag, and begun anew', async () => {
    const { server, disk } = await started();
    const off = await carry(server, {
      async before(pass) {
        if (pass > 1) disk.write(`pass ${pass}`, 3 * MiB + pass * 70_000);
        await putDisk(server, disk);
      },
    });
    await off.outcome;
    expect((await readFile(join(off.folder, 'result.raw'))).equals(disk)).toBe(true);
    expect(off.logs()).toContainEqual(
      expect.stringMatching(/^changed-block tracking is off: each pass reads/),
    );
    expect(off.passes().at(-1)).toMatchObject({ bytesRead: 16 * MiB, bytesChanged: 64 * KiB });
    await off.expectClean();

    await python(server, `WaitForTask(vms["${machineName}"].PowerOnVM_Task())`);
    const flag = `vim.vm.ConfigSpec(extraConfig=[vim.option.OptionValue(key="scsi0:0.ctkEnabled", value="%s")])`;
    const setFlag = (value: string) =>
      `WaitForTask(vms["${machineName}"].ReconfigVM_Task(${flag.replace('%s', value)}))`;
    await python(server, [turnOn(true), setFlag('FALSE'), snapshotCycle].join('\n'));
    const flagged = await carry(server, {
      async before(pass) {
        disk.write(`flagged ${pass}`, 5 * MiB);
        await putDisk(server, disk);
        // From here on it is tracked again.
        if (pass === 2) await python(server, setFlag('TRUE'));
        // Off and on: its ids begin anew.
        if (pass === 3)
          await python(server, [turnOn(false), snapshotCycle, turnOn(true), snapshotCycle].join('\n'));
      },
      warm: { shutDown: false, intervalSeconds: 0, passes: 2 },
      onEvent(event) {
        if (event.type === 'pass' && event.pass.number === 4)
          void python(server, `WaitForTask(vms["${machineName}"].PowerOffVM_Task())`);
      },
    });
    await flagged.outcome;
    expect((await readFile(join(flagged.folder, 'result.raw'))).equals(disk)).toBe(true);
    const compared = flagged.logs().filter((text) => text.includes('compared as a whole'));
    expect(compared.slice(0, 2)).toEqual([
      'disk1.vmdk: compared as a whole: the disk was not tracked before',
      'disk1.vmdk: compared as a whole: tracking began anew',
    ]);
    expect(flagged.passes()[3]).toMatchObject({ bytesRead: 64 * KiB });
    await flagged.expectClean();
    expect(await python(server, isOn)).toBe(true);
  });

  it('compares a disk that has grown', async () => {
    const { server, disk } = await started();
    await python(server, [turnOn(true), snapshotCycle].join('\n'));
    let now = disk;
    const run = await carry(server, {
      warm: { passes: 2 },
      async before(pass) {
        if (pass === 2) now = Buffer.concat([disk, randomBytes(MiB)]);
        if (pass === 2) await putDisk(server, now);
      },
    });
    await run.outcome;
    expect((await readFile(join(run.folder, 'result.raw'))).equals(now)).toBe(true);
    expect(run.logs()).toContain('disk1.vmdk: compared as a whole: it has grown');
    await run.expectClean();
  });

  it('does not know what changed where the server refuses the id, the disk, or the offset', async () => {
    const { server, disk } = await started();
    await python(server, [turnOn(true), snapshotCycle].join('\n'));
    const { source } = await connected(server);
    const machine = await source!.inspect(machineName, never);
    const holding = { runId: 'asks', signal: never, report: () => undefined };
    const tracking = await source!.track!(machine, { ...holding, turnOn: false });
    const pass = await tracking.pass(holding);
    const { id } = machine.disks[0]!;
    const { length: size } = disk;
    const [epoch] = pass.marks[id]!.split('/');
    const ask = (since: Record<string, string> | undefined, bytes = size, of = id) =>
      pass.changed({ id: of, size: bytes }, since, never);
    try {
      expect(await ask({ [id]: pass.marks[id]! })).toEqual({ ranges: [] });
      expect(await ask({ [id]: `${epoch}/0` })).toEqual({
        unknown: expect.stringContaining('InvalidArgument'),
      });
      expect(await ask({ [id]: `${epoch}/9` })).toEqual({ unknown: 'tracking began anew' });
      expect(await ask({ [id]: '52 00/1' })).toEqual({ unknown: 'tracking began anew' });
      expect(await ask({})).toEqual({ unknown: 'the disk was not tracked before' });
      expect(await ask(undefined, 2 * size)).toEqual({ unknown: expect.stringContaining('InvalidArgument') });
      expect(await ask(undefined, size, 'disk-9')).toEqual({ unknown: 'the disk is not tracked' });
    } finally {
      expect(await pass.release()).toEqual([]);
    }
  });

  it('leaves no snapshot and no copy when it is cancelled in a pass', async () => {
    const { server } = await started();
    await python(server, [turnOn(true), snapshotCycle].join('\n'));
    for (const wanted of ['pass 1: all of it', 'pass 2: what changed']) {
      const cancel = new AbortController();
      let armed = false;
      const run = await carry(server, {
        signal: cancel.signal,
        warm: { shutDown: false, passes: 5, belowBytes: 0 },
        onEvent(event) {
          if (event.type === 'step' && event.text === wanted) armed = true;
          if (armed && event.type === 'disk') cancel.abort();
        },
      });
      await expect(run.outcome).rejects.toMatchObject({ kind: 'cancelled' });
      await run.expectClean();
    }
    expect(await python(server, isOn)).toBe(true);
  });

  it('answers pyVmomi as the API reference says', async () => {
    const { server, disk } = await started();
    await python(server, [turnOn(true), snapshotCycle].join('\n'));
    const query = (since: string, from = '0') =>
      `vm.QueryChangedDiskAreas(snapshot=snap, deviceKey=key, startOffset=${from}, changeId=${since})`;
    const head = [
      `vm = vms["${machineName}"]`,
      'def take():',
      '    WaitForTask(vm.CreateSnapshot("s", "", False, False))',
      '    snap = vm.snapshot.currentSnapshot',
      '    d = [d for d in snap.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)][0]',
      '    return snap, d.key, d.backing.changeId',
      'def told(info): return [info.startOffset, info.length, [[a.start, a.length] for a in info.changedArea]]',
      'def fault(f):',
      '    try: f()',
      '    except Exception as e: return type(e).__name__.split(".")[-1]',
      'snap, key, first = take()',
    ];
    const size = disk.length;
    const first = (await python(
      server,
      [
        ...head,
        `out = dict(first=first, all=told(${query('"*"')}), end=fault(lambda: ${query('"*"', String(size))}),`,
        `  same=told(${query('first')}), foreign=fault(lambda: ${query('"52 00/1"')}),`,
        '  running=fault(lambda: vm.QueryChangedDiskAreas(deviceKey=key, startOffset=0, changeId=first)))',
        removeSnapshot,
      ].join('\n'),
    )) as { first: string };
    const block = 64 * KiB;
    expect(first).toEqual({
      first: expect.stringMatching(/^[0-9a-f ]{23}-[0-9a-f ]{23}\/1$/),
      all: [
        0,
        size,
        [
          [0, 2 * MiB],
          [size - block, block],
        ],
      ],
      same: [0, size, []],
      end: expect.stringContaining('InvalidArgument'),
      foreign: expect.stringContaining('InvalidArgument'),
      running: expect.stringContaining('FileFault'),
    });
    for (let i = 0; i < 6; i++) disk[(3 + i) * MiB] = 1;
    await putDisk(server, disk);
    const since = JSON.stringify(first.first);
    const second = await python(
      server,
      [...head, `one = ${query(since)}`, `out = [told(one), told(${query(since, 'one.length')})]`].join('\n'),
    );
    const at = (mib: number) => [mib * MiB, block];
    expect(second).toEqual([
      [0, 7 * MiB, [at(3), at(4), at(5), at(6)]],
      [7 * MiB, size - 7 * MiB, [at(7), at(8)]],
    ]);
  });
});
