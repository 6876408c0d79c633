/** Images packed as a whole, through the command line: read whatever the name, written as the name says. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { compareImages, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place, program } from './program.ts';

const run = promisify(execFile);
const disk = oddDisk(6 * 2 ** 20, 3);
const packers = [
  ['gzip', 'gz'],
  ['xz', 'xz'],
  ['zstd', 'zst'],
  ['bzip2', 'bz2'],
  ['lz4', 'lz4'],
] as const;

/** Larger than what is looked at in memory, with a GPT header that says how large. */
function largeDisk(): Buffer {
  const bytes = Buffer.concat([oddDisk(16 * 2 ** 20, 5), oddDisk(8 * 2 ** 20, 6)]);
  for (let at = 2 ** 20; at < 2 ** 23; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  bytes.write('EFI PART', 512, 'latin1');
  bytes.writeBigUInt64LE(BigInt(bytes.length / 512 - 1), 512 + 32);
  return bytes;
}

describeWith(['qemu-img', 'gzip', 'zstd', 'xz', 'strace'], 'packed and larger', () => {
  it('looked at from the beginning, as a whole on demand, and read as streams', async () => {
    const { run: vmferry, start, path } = await place();
    const large = largeDisk();
    await writeFile(path('d.raw'), large);
    const formats = [
      ['raw', 'raw', []],
      ['qcow2', 'qcow2', []],
      ['vmdk', 'vmdk', ['-o', 'subformat=streamOptimized']],
      ['vdi', 'vdi', []],
      ['vhdx', 'vhdx', []],
      ['vhd', 'vpc', ['-o', 'force_size=on']],
    ] as const;
    const tools = [
      ['gzip', 'gz'],
      ['zstd', 'zst'],
      ['xz', 'xz'],
    ] as const;
    for (const [extension, driver, options] of formats) {
      if (extension !== 'raw')
        await qemuImg(
          'convert',
          '-f',
          'raw',
          '-O',
          driver,
          ...options,
          path('d.raw'),
          path(`d.${extension}`),
        );
      // All of them of what is read as a stream.
      const streamed = extension === 'raw' || extension === 'vmdk';
      for (const [tool, suffix] of streamed ? tools : tools.slice(0, 1)) {
        const name = `d.${extension}.${suffix}`;
        await run(tool, ['-q', '-k', '-1', path(`d.${extension}`)]);
        const seen = JSON.parse((await vmferry(['inspect', name, '--json'])).stdout);
        const [told] = seen.machine.disks;
        expect(told, name).toMatchObject({
          packed: [tool],
          format: extension,
          virtualSizeBytes: large.length,
        });
        expect(seen.images).toEqual({});
        const whole = JSON.parse((await vmferry(['inspect', name, '--whole', '--json'])).stdout);
        expect(whole.images.disk0 ?? Object.values(whole.images)[0], name).toMatchObject({
          format: extension,
        });
        await rm(path('x.raw'), { force: true });
        const trace = ['-f', '-e', 'trace=openat,open', '-o', path('trace'), process.execPath, program];
        await run('strace', [...trace, 'convert', path(name), '--to', path('x.raw'), '-q'], {
          env: { ...process.env, VMFERRY_HOME: path('home') },
        });
        expect((await readFile(path('x.raw'))).equals(large), name).toBe(true);
        expect(/\.spool/.test(await readFile(path('trace'), 'utf8')), name).toBe(!streamed);
      }
      expect((await vmferry(['check', `d.${extension}.gz`, '--deep'])).code).toBe(0);
    }
    const map = await vmferry(['inspect', '--map', 'd.qcow2.gz']);
    expect(map.stdout).toBe(
      (await vmferry(['inspect', '--map', 'd.qcow2'])).stdout.replaceAll('d.qcow2', 'd.qcow2.gz'),
    );
    const partition = await vmferry(['convert', 'd.raw.gz', '--window', '1M+1M', '--to', 'w.raw', '-q']);
    expect(partition.code, partition.stderr).toBe(0);
    expect((await readFile(path('w.raw'))).equals(large.subarray(2 ** 20, 2 ** 21))).toBe(true);
    // A check that is cancelled leaves nothing.
    const folder = { TMPDIR: path('.') };
    const check = start(['check', 'd.raw.xz', '--deep'], { env: folder });
    await new Promise((resolve) => check.child.once('spawn', resolve));
    check.child.kill('SIGTERM');
    await check.ended;
    expect((await readdir(path('.'))).filter((n) => n.startsWith('.'))).toEqual([]);
  });

  it('a stream that is cut, or has more or another end than it says: refused, nothing written', async () => {
    const { run: vmferry, path } = await place();
    const large = largeDisk();
    await writeFile(path('d.raw'), large);
    await qemuImg('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', path('d.raw'), path('s.vmdk'));
    for (const name of ['d.raw', 's.vmdk']) await run('zstd', ['-q', path(name)]);
    for (const name of ['d.raw', 's.vmdk']) {
      const whole = await readFile(path(`${name}.zst`));
      const damaged = Buffer.from(whole);
      damaged[damaged.length - 1]! ^= 1; // the checksum
      for (const bytes of [whole.subarray(0, -1000), damaged]) {
        await writeFile(path(`bad.${name}.zst`), bytes);
        const found = await vmferry(['convert', `bad.${name}.zst`, '--to', 'x.qcow2', '-q']);
        expect(found.code).toBe(1);
        expect(found.stderr).toMatch(/damaged|cut short|checksum/);
      }
    }
    // The GPT says less than there is, and the sizes are equal modulo 2^32 only by what the last member says.
    await writeFile(path('tail'), Buffer.alloc(large.length));
    await run('gzip', ['-1', '-k', path('d.raw'), path('tail')]);
    await writeFile(
      path('two.raw.gz'),
      Buffer.concat([await readFile(path('d.raw.gz')), await readFile(path('tail.gz'))]),
    );
    const more = await vmferry(['convert', 'two.raw.gz', '--to', 'x.qcow2', '-q']);
    expect(more.code).toBe(1);
    expect(more.stderr).toContain('unpack the file first');
    const footer = Buffer.alloc(512);
    footer.write('conectix', 'latin1');
    await writeFile(path('f.img'), Buffer.concat([large, footer]));
    await run('zstd', ['-q', path('f.img')]);
    const fixed = await vmferry(['convert', 'f.img.zst', '--to', 'x.qcow2', '-q']);
    expect(fixed.code).toBe(1);
    expect(fixed.stderr).toContain('--from raw');
    expect((await vmferry(['convert', 'f.img.zst', '--to', 'x.qcow2', '-q', '--from', 'raw'])).code).toBe(0);
    expect((await readdir(path('.'))).filter((n) => n.startsWith('.'))).toEqual([]);
  });
});

describeWith(['qemu-img', 'age', 'age-keygen', ...packers.map(([tool]) => tool)], 'packed images', () => {
  it('are read by their magic, leave nothing behind, and are offered in a list', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('disk.raw'), path('d.qcow2'));
    for (const [tool, suffix] of packers) {
      const packed = `d.qcow2.${suffix}`;
      const extra = tool === 'lz4' ? [path(packed)] : [];
      await run(tool, ['-q', '-k', path('d.qcow2'), ...extra]);
      const found = await vmferry(['convert', packed, '--to', 'x.raw', '--force', '-q']);
      expect(found.code, `${tool}: ${found.stderr}`).toBe(0);
      expect((await readFile(path('x.raw'))).equals(disk), tool).toBe(true);
      await rename(path(packed), path('misnamed.img'));
      expect(await vmferry(['convert', 'misnamed.img', '--to', 'x.raw', '--force', '-q'])).toMatchObject({
        code: 0,
      });
      expect((await readFile(path('x.raw'))).equals(disk), tool).toBe(true);
      await rename(path('misnamed.img'), path(packed));
      const inspected = await vmferry(['inspect', packed]);
      expect(inspected.code).toBe(0);
      expect(inspected.stdout).toContain(`${tool} › qcow2 (v3`);
    }
    const listed = await vmferry(['list', path('.')]);
    for (const [tool, suffix] of packers)
      expect(listed.stdout).toMatch(new RegExp(`6 MiB .*${tool} › qcow2 .*d\\.qcow2\\.${suffix}\n`));
    expect((await readdir(path('.'))).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('cut short: refused, nothing written', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await run('xz', ['-q', '-0', path('disk.raw')]);
    const bytes = await readFile(path('disk.raw.xz'));
    await writeFile(path('disk.raw.xz'), bytes.subarray(0, bytes.length - 100));
    const found = await vmferry(['convert', 'disk.raw.xz', '--to', 'x.qcow2', '-q']);
    expect(found.code).not.toBe(0);
    expect(found.stderr).toMatch(/cut short/);
    expect(await readdir(path('.'))).toEqual(['disk.raw.xz']);
  });

  it('are written for the tools to unpack', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    for (const [tool, suffix] of packers.filter(([name]) => ['gzip', 'xz', 'zstd'].includes(name))) {
      const cases = [
        ['raw', []],
        ['vhd', ['--set', 'subformat=fixed']],
        ['vmdk', ['--set', 'subformat=streamOptimized']],
      ] as const;
      for (const [format, options] of cases) {
        const name = `out.${format}`;
        const made = await vmferry(['convert', 'disk.raw', '--to', `${name}.${suffix}`, '-q', ...options]);
        expect(made.code, `${tool} ${format}: ${made.stderr}`).toBe(0);
        await run(tool, ['-d', '-q', path(`${name}.${suffix}`)]);
        const driver = format === 'vhd' ? 'vpc' : format;
        await qemuImg('convert', '-f', driver, '-O', 'raw', path(name), path('back.raw'));
        const back = await readFile(path('back.raw'));
        expect(back.subarray(0, disk.length).equals(disk), `${tool} ${format}`).toBe(true);
        await rm(path(name), { force: true });
        await rm(path(`${name}.${suffix}`), { force: true });
      }
    }
  });

  it('written with two, encryption outside', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    await run('age-keygen', ['-o', path('key')]);
    const recipient = (await run('age-keygen', ['-y', path('key')])).stdout.trim();
    const key = ['--identity', 'key'];
    for (const [tool, suffix] of packers.filter(([name]) => ['gzip', 'xz', 'zstd'].includes(name))) {
      const name = `x.raw.${suffix}.age`;
      const made = await vmferry(['convert', 'disk.raw', '--to', name, '-q', '--recipient', recipient]);
      expect(made.code, made.stderr).toBe(0);
      const seen = await vmferry(['inspect', name, '--json', ...key]);
      expect(JSON.parse(seen.stdout).machine.disks[0].packed).toEqual(['age', tool]);
      const back = await vmferry(['convert', name, '--to', 'back.raw', '--force', '-q', ...key]);
      expect(back.code, back.stderr).toBe(0);
      expect((await readFile(path('back.raw'))).equals(disk)).toBe(true);
      await run('age', ['-d', '-i', path('key'), '-o', path(`t.raw.${suffix}`), path(name)]);
      await run(tool, ['-d', '-q', '-f', path(`t.raw.${suffix}`)]);
      expect((await readFile(path('t.raw'))).equals(disk)).toBe(true);
    }
    for (const name of ['x.raw.age.gz', 'x.raw.gz.xz', 'x.raw.bz2.age']) {
      expect((await vmferry(['convert', 'disk.raw', '--to', name, '-q'])).code, name).toBe(2);
    }
  });

  it('a format that goes back to its beginning is packed when it is whole', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    for (const [name, tool] of [
      ['x.qcow2.gz', 'gzip'],
      ['x.vhdx.zst', 'zstd'],
      ['x.vdi.xz', 'xz'],
    ] as const) {
      const made = await vmferry(['convert', 'disk.raw', '--to', name, '-q']);
      expect(made.code, made.stderr).toBe(0);
      const inner = name.replace(/\.\w+$/, '');
      await run('sh', ['-c', `${tool} -dc ${name} >${inner}`], { cwd: path('.') });
      await compareImages(path('disk.raw'), 'raw', path(inner), inner.slice(2));
    }
    expect((await readdir(path('.'))).filter((name) => name.includes('spool'))).toEqual([]);
  });

  it('what can not be packed is refused, with a way out', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    for (const options of [
      ['--to', 'x.raw.bz2'],
      ['--to', 'x.vmdk.gz', '--set', 'subformat=twoGbMaxExtentFlat'],
    ]) {
      const found = await vmferry(['convert', 'disk.raw', ...options, '-q']);
      expect(found.code, found.stderr).not.toBe(0);
      expect(found.stderr).toMatch(/choose/);
    }
    expect(await readdir(path('.'))).toEqual(['disk.raw']);
  });
});
