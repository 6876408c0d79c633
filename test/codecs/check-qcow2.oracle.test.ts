/** Images that are whole, that leak and that are broken on purpose: `qemu-img check` and ours count the same. */
import { open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { checkFile, rawContent, scrambledImage, scrambleMore, writeRaw } from '../conformance/images.ts';
import { qemuCheck, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const clusterBytes = 64 * KiB;
const size = 8 * MiB;

/** Both count the same; resolves to our report. */
async function bothAgree(path: string) {
  const [ours, theirs] = [await checkFile(qcow2Codec, path), await qemuCheck(path, 'qcow2')];
  expect(ours.errorCount).toBe(theirs.corruptions ?? 0);
  expect(ours.leaks?.count).toBe(theirs.leaks ?? 0);
  for (const fact of ['total', 'allocated', 'fragmented', 'compressed'] as const) {
    const key = `${fact}-clusters` as const;
    if (theirs[key] !== undefined) expect([key, ours.facts[key]]).toEqual([key, theirs[key]]);
  }
  return ours;
}

async function made(createArgs: string[] = [], options = {}): Promise<string> {
  const path = join(await tempFolder(), 'disk.qcow2');
  return scrambledImage('qcow2', path, { size, createArgs, ...options });
}

async function poke(path: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}

/** Places of the active tables of a small image with one L2 table. */
async function places(path: string) {
  const bytes = await readFile(path);
  const entry = (at: number) => Number(bytes.readBigUInt64BE(at) & 0x00ff_ffff_ffff_fe00n);
  const l1 = Number(bytes.readBigUInt64BE(40));
  const l2 = entry(l1);
  const used = Array.from({ length: clusterBytes / 8 }, (_, i) => l2 + i * 8).filter((at) => entry(at) !== 0);
  const table = Number(bytes.readBigUInt64BE(48));
  return { bytes, l1, l2, used, entry, table, block: entry(table) };
}

const word = (value: bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(value);
  return out;
};

describeWith(['qemu-img', 'qemu-io'], 'a qcow2 that is whole', () => {
  it.each([
    ['version 2', ['-o', 'compat=0.10'], { zeros: false }],
    ['version 3', [], { discard: true }],
    ['clusters of 512', ['-o', 'cluster_size=512'], { size: MiB, grain: 2048 }],
    ['lazy refcounts', ['-o', 'lazy_refcounts=on'], {}],
    ['1-bit refcounts', ['-o', 'refcount_bits=1'], {}],
    ['4-bit refcounts', ['-o', 'refcount_bits=4'], {}],
    ['64-bit refcounts', ['-o', 'refcount_bits=64'], {}],
    ['compressed', [], { compressed: true }],
    ['compressed, 512', ['-o', 'cluster_size=512'], { size: MiB, grain: 512, compressed: true }],
    ['extended L2', ['-o', 'extended_l2=on'], { grain: 8192, discard: true }],
    ['preallocated', ['-o', 'preallocation=metadata'], { discard: true }],
    ['data file', ['-o', 'data_file=data.raw'], { discard: true }],
  ])('%s', async (_, args, options) => {
    const folder = await tempFolder();
    const given = args.map((a) => a.replace('data.raw', join(folder, 'data.raw')));
    const report = await bothAgree(await made(given, options));
    expect(report.errorCount).toBe(0);
  });

  it('with snapshots, written to between them', async () => {
    const path = await made();
    for (const name of ['one', 'two']) {
      await qemuImg('snapshot', '-c', name, path);
      await scrambleMore('qcow2', path, { size, seed: name.length + 40 });
    }
    await qemuImg('snapshot', '-c', 'three', path);
    expect(await bothAgree(path)).toMatchObject({ errorCount: 0, facts: { snapshots: 3 } });
  });

  it('with bitmaps', async () => {
    const path = await made();
    await qemuImg('bitmap', '--add', path, 'b0');
    await qemuImg('bitmap', '--add', '-g', '4K', path, 'b1');
    await qemuIo('qcow2', path, 'write 0 2M');
    expect(await bothAgree(path)).toMatchObject({ errorCount: 0, leaks: { count: 0 } });
  });

  it('zstd by convert', async () => {
    const folder = await tempFolder();
    const raw = await writeRaw(join(folder, 'disk.raw'), rawContent('scrambled'));
    const path = join(folder, 'disk.qcow2');
    await qemuImg('convert', '-O', 'qcow2', '-c', '-o', 'compression_type=zstd', raw, path);
    expect(await bothAgree(path)).toMatchObject({ errorCount: 0 });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'a qcow2 that is broken', () => {
  it('a reference count lowered to 0', async () => {
    const path = await made();
    const { block, used, entry } = await places(path);
    await poke(path, block + (entry(used[3]!) / clusterBytes) * 2, Buffer.alloc(2));
    expect((await bothAgree(path)).errorCount).toBeGreaterThan(0);
  });

  it('a reference count too high is a leak where nothing is there', async () => {
    const path = await made();
    const last = Math.ceil((await stat(path)).size / clusterBytes);
    await truncate(path, (last + 3) * clusterBytes);
    const { block } = await places(path);
    await poke(path, block + last * 2, Buffer.from([0, 1, 0, 1, 0, 1]));
    const report = await bothAgree(path);
    expect(report).toMatchObject({ errorCount: 0, leaks: { count: 3, bytes: 3 * clusterBytes } });
  });

  it("an entry that leads to another's cluster", async () => {
    const path = await made();
    const { used, bytes } = await places(path);
    await poke(path, used[1]!, word(bytes.readBigUInt64BE(used[0]!)));
    expect(await bothAgree(path)).toMatchObject({ leaks: { count: 1 } });
  });

  it('an entry that is not aligned, and one with reserved bits', async () => {
    const path = await made();
    const { used, bytes } = await places(path);
    await poke(path, used[1]!, word(bytes.readBigUInt64BE(used[1]!) + 512n));
    await poke(path, used[4]!, word(bytes.readBigUInt64BE(used[4]!) | 4n));
    const ours = await checkFile(qcow2Codec, path);
    expect(ours.errorCount).toBeGreaterThanOrEqual(2);
    expect((await qemuCheck(path, 'qcow2')).corruptions).toBeGreaterThan(0);
  });

  it('a copied flag taken away, and one too many', async () => {
    const path = await made();
    const { used, bytes } = await places(path);
    await poke(path, used[2]!, word(bytes.readBigUInt64BE(used[2]!) & ~(1n << 63n)));
    expect((await bothAgree(path)).errorCount).toBe(1);
    await poke(path, used[2]!, word(bytes.readBigUInt64BE(used[2]!)));
    await qemuImg('snapshot', '-c', 'one', path);
    const after = await places(path);
    await poke(path, after.used[2]!, word(after.bytes.readBigUInt64BE(after.used[2]!) | (1n << 63n)));
    expect((await bothAgree(path)).errorCount).toBe(1);
  });

  it('a cluster past the end', async () => {
    const path = await made();
    const { used } = await places(path);
    await poke(path, used[2]!, word((1n << 63n) | BigInt(1024 * MiB)));
    const ours = await checkFile(qcow2Codec, path);
    expect(ours.errorCount).toBeGreaterThan(0);
    expect((await qemuCheck(path, 'qcow2')).corruptions).toBeGreaterThan(0);
  });

  it('a refcount table entry that is gone, and one that is not aligned', async () => {
    for (const value of [0n, 77n]) {
      const path = await made();
      const { table } = await places(path);
      await poke(path, table, word(value));
      expect((await checkFile(qcow2Codec, path)).errorCount).toBeGreaterThan(0);
      const theirs = await qemuCheck(path, 'qcow2');
      expect((theirs.corruptions ?? 0) + theirs['check-errors']).toBeGreaterThan(0);
    }
  });
});
