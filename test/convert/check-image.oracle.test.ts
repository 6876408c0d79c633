/** Images of every format, whole and broken on purpose; `qemu-img check` agrees where it knows the format. */
import { appendFile, copyFile, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { expect, it } from 'vitest';
import { checkImage } from '../../src/convert/check-image.ts';
import type { OpenDisk } from '../../src/env-plugins/plugin.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { rawContent, scrambledImage, writeRaw } from '../conformance/images.ts';
import { qemuCheck, qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const size = 8 * MiB;

async function diskOf(path: string): Promise<OpenDisk> {
  const place = (name: string) => (isAbsolute(name) ? name : join(dirname(path), name));
  return { source: await fileSource(path), sibling: (name) => diskOf(place(name)) };
}

async function checked(path: string, deep = false) {
  const { layers, failure } = await checkImage(await diskOf(path), {
    ...{ follow: true, deep },
    report: () => undefined,
  });
  return { layers, failure, errors: layers.reduce((sum, layer) => sum + layer.errorCount, 0) };
}

async function made(format: string, options: object = {}): Promise<string> {
  const path = join(await tempFolder(), `disk.${format}`);
  return scrambledImage(format, path, { size, zeros: false, ...options });
}

async function poke(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}

/** Makes the second entry in use of a table lead to where the first one does. */
async function doubleEntry(path: string, table: number, bytes: 4 | 8, isUsed: (entry: Buffer) => boolean) {
  const file = await readFile(path);
  const used: number[] = [];
  for (let at = table; used.length < 2; at += bytes) {
    if (isUsed(file.subarray(at, at + bytes))) used.push(at);
  }
  await poke(path, used[1]!, file.subarray(used[0]!, used[0]! + bytes));
}

const notZero = (entry: Buffer): boolean => entry.some((b) => b !== 0);

describeWith(['qemu-img', 'qemu-io'], 'images that are whole', () => {
  it.each(['raw', 'qcow2', 'qcow', 'qed', 'vmdk', 'vpc', 'vhdx', 'vdi', 'parallels'])(
    '%s',
    async (format) => {
      const path = await made(format);
      const { layers, failure, errors } = await checked(path, true);
      expect({ failure, errors, count: layers.length }).toEqual({ errors: 0, count: 1 });
      expect(layers[0]!.leaks?.count ?? 0).toBe(0);
      expect(layers[0]!.warnings.filter((w) => w.rule !== 'vhd.two-sizes')).toEqual([]);
    },
  );

  it.each(['qed', 'vdi', 'parallels', 'vmdk'])('%s is counted as qemu does', async (format) => {
    const path = await made(format);
    const theirs = await qemuCheck(path, format);
    const { facts } = (await checked(path)).layers[0]!;
    for (const key of ['total-clusters', 'allocated-clusters'] as const) {
      if (theirs[key] !== undefined) expect([key, facts[key]]).toEqual([key, theirs[key]]);
    }
  });
});

describeWith(['qemu-img', 'qemu-io'], 'images that are broken', () => {
  it('VDI: two blocks at one place, and a wrong count', async () => {
    const path = await made('vdi', { grain: MiB });
    const table = (await readFile(path)).readUInt32LE(340);
    await poke(path, 388, Buffer.from([1, 0, 0, 0]));
    expect((await checked(path)).errors).toBe(1);
    expect((await qemuCheck(path, 'vdi')).corruptions).toBe(1);
    await doubleEntry(path, table, 4, (e) => e.readUInt32LE(0) < 0xfffffffe);
    expect((await checked(path)).errors).toBe(2);
    expect((await qemuCheck(path, 'vdi')).corruptions).toBe(2);
  });

  it('VMDK: a grain past the end, tables that differ, a grain on another', async () => {
    const path = await made('vmdk', { zeros: true });
    const whole = await readFile(path);
    const [redundant, first] = [56, 48].map((at) => Number(whole.readBigUInt64LE(at)) * 512);
    const table = (directory: number) => whole.readUInt32LE(directory) * 512;
    const copy = join(await tempFolder(), 'copy.vmdk');
    await copyFile(path, copy);
    await doubleEntry(path, table(first!), 4, (e) => e.readUInt32LE(0) > 1);
    await doubleEntry(path, table(redundant!), 4, (e) => e.readUInt32LE(0) > 1);
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['vmdk.overlap']);
    await doubleEntry(copy, table(first!), 4, (e) => e.readUInt32LE(0) > 1);
    expect((await checked(copy)).layers[0]!.errors.map((e) => e.rule)).toContain('vmdk.redundant');
    const far = Buffer.from([0, 0, 0, 0x40]);
    const used = Array.from({ length: 512 }, (_, i) => i * 4).find(
      (at) => whole.readUInt32LE(table(redundant!) + at) > 1,
    )!;
    for (const directory of [first!, redundant!]) await poke(path, table(directory) + used, far);
    expect((await checked(path)).errors).toBeGreaterThan(0);
    await expect(qemuCheck(path, 'vmdk')).rejects.toThrow('points after EOF');
  });

  it('VMDK: a compressed grain of another place; with --deep one that does not inflate', async () => {
    const folder = await tempFolder();
    const raw = await writeRaw(join(folder, 'disk.raw'), rawContent('full'));
    const path = join(folder, 'disk.vmdk');
    await qemuImg('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, path);
    const at = Number((await readFile(path)).readBigUInt64LE(64)) * 512;
    await poke(path, at + 12 + 1000, Buffer.alloc(64, 0x55));
    expect(await checked(path)).toMatchObject({ errors: 0 });
    expect((await checked(path)).failure).toBeUndefined();
    expect((await checked(path, true)).failure).toMatchObject({ kind: 'corrupt' });
    await poke(path, at, Buffer.from([128]));
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['vmdk.marker']);
  });

  it('VHD: two blocks at one place, and a copy of the footer that says otherwise', async () => {
    const path = await made('vpc', { grain: MiB });
    const header = await readFile(path);
    const table = Number(header.readBigUInt64BE(512 + 16));
    const other = Buffer.from(header.subarray(0, 512));
    other.writeUInt32BE(4, 60);
    let sum = 0;
    other.forEach((b, i) => {
      if (i < 64 || i >= 68) sum += b;
    });
    other.writeUInt32BE(~sum >>> 0, 64);
    await poke(path, 0, other);
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['vhd.footer-copy']);
    await poke(path, 0, header.subarray(0, 512));
    await doubleEntry(path, table, 4, (e) => e.readUInt32BE(0) !== 0xffffffff);
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['vhd.overlap']);
  });

  it('VHDX: two blocks at one place', async () => {
    const path = await made('vhdx', { size: 64 * MiB, grain: 8 * MiB, createArgs: ['-o', 'block_size=8M'] });
    const file = await readFile(path);
    const guid = Buffer.from('6677c22d23f600429d64115e9bfd4a08', 'hex');
    const table = Number(file.readBigUInt64LE(file.indexOf(guid) + 16));
    await doubleEntry(path, table, 8, (e) => (e[0]! & 7) === 6);
    expect((await checked(path)).errors).toBe(1);
  });

  it('Parallels: two clusters at one place, and room that nothing uses', async () => {
    const path = await made('parallels', { grain: MiB });
    const clusterBytes = (await readFile(path)).readUInt32LE(28) * 512;
    await appendFile(path, Buffer.alloc(2 * clusterBytes + 512));
    const [leaky] = (await checked(path)).layers;
    expect(leaky).toMatchObject({
      errorCount: 0,
      leaks: { count: (await qemuCheck(path, 'parallels')).leaks },
    });
    expect(leaky!.leaks!.count).toBe(3);
    await doubleEntry(path, 64, 4, notZero);
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['parallels.overlap']);
  });

  it('QED: two clusters at one place, and leaks', async () => {
    const path = await made('qed');
    await appendFile(path, Buffer.alloc(3 * 64 * KiB));
    const theirs = await qemuCheck(path, 'qed');
    expect((await checked(path)).layers[0]).toMatchObject({ errorCount: 0, leaks: { count: theirs.leaks } });
    const file = await readFile(path);
    const l2 = Number(file.readBigUInt64LE(Number(file.readBigUInt64LE(40))));
    await doubleEntry(path, l2, 8, notZero);
    const [layer] = (await checked(path)).layers;
    const after = await qemuCheck(path, 'qed');
    expect([layer!.errorCount, layer!.leaks?.count]).toEqual([after.corruptions, after.leaks]);
  });

  it('qcow: two clusters at one place', async () => {
    const path = await made('qcow');
    const file = await readFile(path);
    const l2 = Number(file.readBigUInt64BE(Number(file.readBigUInt64BE(40))));
    await doubleEntry(path, l2, 8, notZero);
    expect((await checked(path)).layers[0]!.errors.map((e) => e.rule)).toEqual(['qcow.overlap']);
  });

  it('a parent is checked as well, and missed when it is gone', async () => {
    const base = await made('qcow2');
    const path = join(dirname(base), 'top.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', path);
    const sound = await checked(path);
    expect(sound.layers.map((l) => [l.files[0], l.errorCount])).toEqual([
      [path, 0],
      [base, 0],
    ]);
    const block = Number((await readFile(base)).readBigUInt64BE(64 * KiB));
    await poke(base, block + 2 * Math.floor((await stat(base)).size / (64 * KiB) - 1), Buffer.alloc(2));
    expect((await checked(path)).layers.map((l) => l.errorCount > 0)).toEqual([false, true]);
    await rm(base);
    expect((await checked(path)).failure).toMatchObject({ kind: 'not-found' });
  });

  it('a file that is cut short', async () => {
    for (const format of ['vdi', 'vmdk', 'vhdx', 'qed', 'parallels', 'qcow2', 'qcow']) {
      const path = await made(format);
      const file = await open(path, 'r+');
      await file.truncate((await file.stat()).size - 512 * KiB);
      await file.close();
      const { errors, failure } = await checked(path);
      expect([format, errors > 0 || failure?.kind === 'corrupt']).toEqual([format, true]);
    }
  });
});
