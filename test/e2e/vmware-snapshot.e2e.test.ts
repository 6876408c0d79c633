/** A snapshot of a VMware machine, by its name, in place of the present state. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { place } from './program.ts';

describeWith(['qemu-img', 'qemu-io'], '--snapshot of a VMware machine', () => {
  it('convert and inspect; one that there is none of', async () => {
    const { run: vmferry, path } = await place();
    await mkdir(path('m'));
    await qemuImg('create', '-q', '-f', 'vmdk', path('m/m.vmdk'), '1M');
    await qemuIo('vmdk', path('m/m.vmdk'), 'write -P 1 0 64k');
    await qemuImg('create', '-q', '-f', 'vmdk', '-b', 'm.vmdk', '-F', 'vmdk', path('m/m-000001.vmdk'));
    await qemuIo('vmdk', path('m/m-000001.vmdk'), 'write -P 2 0 64k');
    const vmx = ['displayName = "web"', 'ide0:0.present = "TRUE"', 'ide0:0.fileName = "m-000001.vmdk"'];
    await writeFile(path('m/m.vmx'), `${vmx.join('\n')}\n`);
    const vmsd = [
      'snapshot.numSnapshots = "1"',
      'snapshot0.uid = "7"',
      'snapshot0.displayName = "before it"',
    ];
    const disk = ['numDisks = "1"', 'disk0.node = "ide0:0"', 'disk0.fileName = "m.vmdk"'];
    await writeFile(path('m/m.vmsd'), [...vmsd, ...disk.map((line) => `snapshot0.${line}`), ''].join('\n'));

    const from = [path('m/m.vmx'), '--env', 'workstation'];
    const then = [...from, '--snapshot', 'before it'];
    const first = async (args: readonly string[], name: string) => {
      const made = await vmferry(['convert', ...args, '--to', name, '-q']);
      expect(made.code, made.stderr).toBe(0);
      return (await readFile(path(name)))[0];
    };
    expect(await first(from, 'now.raw')).toBe(2);
    expect(await first(then, 'then.raw')).toBe(1);
    const seen = JSON.parse((await vmferry(['inspect', ...then, '--json'])).stdout);
    expect(seen.machine.id).toBe(`${path('m/m.vmx')}#before it`);
    const looked = await vmferry(['check', ...then]);
    expect(looked.code, looked.stderr).toBe(0);
    expect(looked.stdout).toContain('m.vmdk');
    expect(looked.stdout).not.toContain('m-000001.vmdk');
    const none = await vmferry(['convert', ...from, '--snapshot', 'after it', '--to', 'x.raw']);
    expect(none.code).not.toBe(0);
    expect(none.stderr).toContain('before it');
  });
});
