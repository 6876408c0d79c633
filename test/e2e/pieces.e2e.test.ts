/** Files in parts and disks combined, through the command line, judged by the tools that do the same. */
import { execFile } from 'node:child_process';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place } from './program.ts';

const run = promisify(execFile);
const MiB = 2 ** 20;
const shell = (cwd: string, command: string) => run('sh', ['-c', command], { cwd });

describeWith(['qemu-img', 'sha256sum', 'zstd'], 'a file in parts', () => {
  it('is the plain file by cat, and a disk again by its list', async () => {
    const { run: vmferry, path, folder } = await place();
    const disk = oddDisk(12 * MiB, 3);
    await writeFile(path('disk.img'), disk);
    for (const [name, check] of [
      ['d.qcow2', 'qemu-img compare disk.img d.qcow2'],
      ['d.raw.zst', 'zstd -dc d.raw.zst | cmp - disk.img'],
      ['d.ova', 'tar -tf d.ova'],
    ] as const) {
      const made = await vmferry(['convert', 'disk.img', '--to', name, '-q', '--split', '1M']);
      expect(made.code, made.stderr).toBe(0);
      await shell(folder, `sha256sum -c --quiet ${name}.parts && cat ${name}.[0-9]* > ${name} && ${check}`);
      await rm(path(name));
      const back = await vmferry(['convert', `${name}.parts`, '--to', 'back.raw', '-q', '--force']);
      expect(back.code, back.stderr).toBe(0);
      expect((await readFile(path('back.raw'))).equals(disk), name).toBe(true);
    }
  });

  it('with a part in the place of another, or without one, is refused, and nothing is left', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.img'), oddDisk(6 * MiB, 5));
    expect((await vmferry(['convert', 'disk.img', '--to', 'd.raw', '-q', '--split', '2M'])).code).toBe(0);
    const third = await readFile(path('d.raw.003'));
    await copyFile(path('d.raw.002'), path('d.raw.003'));
    const doubled = await vmferry(['convert', 'd.raw.001', '--to', 'b.qcow2', '-q']);
    expect(doubled.stderr).toMatch(/part 3 of 3 has the bytes of part 2/);
    await expect(readFile(path('b.qcow2'))).rejects.toThrow('ENOENT');
    await rm(path('d.raw.002'));
    const missing = await vmferry(['convert', 'd.raw.parts', '--to', 'b.qcow2', '-q']);
    expect(missing.stderr).toMatch(/part 2 of 3 is missing: d\.raw\.002/);
    expect(third.length).toBe(2 * MiB);
  });
});

describeWith(['qemu-img', 'sfdisk'], 'disks of a machine', () => {
  it('are combined, and separated again, by a plan that can be kept', async () => {
    const { run: vmferry, path, folder } = await place();
    for (const [name, byte] of [
      ['a', '1'],
      ['b', '2'],
    ] as const) {
      const bytes = Buffer.alloc(4 * MiB);
      bytes.fill(byte, MiB, 3 * MiB);
      await writeFile(path(`${name}.raw`), bytes);
      await shell(folder, `printf 'label: dos\\nstart=2048, size=4096, type=da\\n' | sfdisk -q ${name}.raw`);
      await qemuImg('convert', '-O', 'vmdk', path(`${name}.raw`), path(`${name}.vmdk`));
    }
    await writeFile(
      path('two.vmx'),
      [
        '.encoding = "UTF-8"',
        'config.version = "8"',
        'virtualHW.version = "14"',
        'displayName = "two"',
        'guestOS = "debian10-64"',
        'memsize = "256"',
        'scsi0.present = "TRUE"',
        'scsi0.virtualDev = "lsilogic"',
        'scsi0:0.present = "TRUE"',
        'scsi0:0.fileName = "a.vmdk"',
        'scsi0:1.present = "TRUE"',
        'scsi0:1.fileName = "b.vmdk"',
      ].join('\n'),
    );
    const source = ['--env', 'workstation', '--setting', `folders=${folder}`, 'two'];
    const plan = await vmferry(['plan', ...source, '--combine-disks', '--to', 'one.raw', '-q']);
    expect(plan.code, plan.stderr).toBe(0);
    await writeFile(path('plan.json'), plan.stdout);
    const made = await vmferry(['run', 'plan.json', '-q']);
    expect(made.code, made.stderr).toBe(0);
    const one = await readFile(path('one.raw'));
    const { stdout } = await run('sfdisk', ['--verify', path('one.raw')]);
    expect(stdout).toContain('No errors detected');
    expect([one[MiB], one[4 * MiB], one[6 * MiB - 1]].map((byte) => String.fromCharCode(byte!))).toEqual([
      '1',
      '2',
      '2',
    ]);
    const apart = await vmferry([
      'convert',
      'one.raw',
      '--separate-disks=1,2',
      '--to',
      'out/',
      '-f',
      'raw',
      '-q',
    ]);
    expect(apart.code, apart.stderr).toBe(0);
    const second = await readFile(path('out/one-disk2.raw'));
    expect(second.subarray(MiB, 3 * MiB).equals(Buffer.alloc(2 * MiB, '2'))).toBe(true);
    const wrong = await vmferry(['convert', 'one.raw', '--separate-disks=1,3', '--to', 'no/', '-q']);
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toMatch(/has the partitions 1, 2/);
  });
});
