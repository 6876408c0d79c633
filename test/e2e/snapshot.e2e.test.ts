/** An internal snapshot of a qcow2, made by qemu-img, in place of the current state. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place } from './program.ts';

const run = promisify(execFile);

describeWith(['qemu-img', 'qemu-io'], '--snapshot', () => {
  it('inspect, plan, run, convert; by name and by id; what there is none of', async () => {
    const { run: vmferry, path } = await place();
    const before = oddDisk(4 * 2 ** 20, 9);
    await writeFile(path('before.raw'), before);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('before.raw'), path('d.qcow2'));
    await qemuImg('snapshot', '-c', 'first', path('d.qcow2'));
    await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x5a 64k 1M', path('d.qcow2')]);
    const after = Buffer.from(before).fill(0x5a, 65_536, 65_536 + 2 ** 20);

    await vmferry(['convert', 'd.qcow2', '--to', 'now.raw', '-q']);
    expect((await readFile(path('now.raw'))).equals(after)).toBe(true);
    for (const name of ['first', '1']) {
      const how = ['--snapshot', name];
      const seen = JSON.parse((await vmferry(['inspect', 'd.qcow2', '--json', ...how])).stdout);
      expect(Object.values(seen.images)[0]).toMatchObject({ details: { snapshot: name } });
      const made = await vmferry(['convert', 'd.qcow2', '--to', 'old.raw', '--force', '-q', ...how]);
      expect(made.code, made.stderr).toBe(0);
      expect((await readFile(path('old.raw'))).equals(before)).toBe(true);
    }
    const planned = await vmferry(['plan', 'd.qcow2', '--to', 'planned.raw', '--snapshot', 'first']);
    expect(JSON.parse(planned.stdout).source.snapshot).toBe('first');
    await writeFile(path('plan.json'), planned.stdout);
    expect((await vmferry(['run', 'plan.json', '-q'])).code).toBe(0);
    expect((await readFile(path('planned.raw'))).equals(before)).toBe(true);

    await run('gzip', ['-k', path('d.qcow2')]);
    const packed = ['convert', 'd.qcow2.gz', '--to', 'packed.raw', '-q', '--snapshot', 'first'];
    expect((await vmferry(packed)).code).toBe(0);
    expect((await readFile(path('packed.raw'))).equals(before)).toBe(true);
    for (const [image, snapshot] of [
      ['d.qcow2', 'second'],
      ['before.raw', 'first'],
    ] as const) {
      const none = await vmferry(['convert', image, '--to', 'none.raw', '-q', '--snapshot', snapshot]);
      expect(none.code, image).not.toBe(0);
      expect(none.stderr).toMatch(/snapshot/);
    }
  });
});
