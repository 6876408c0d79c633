import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { joinParts } from '../../src/convert/join-parts.ts';
import { openImageFile } from '../../src/env-plugins/local/image-file.ts';
import { readBytes } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import { randomBytes } from '../conformance/random.ts';
import { tempFolder } from '../temp.ts';

/** The bytes of `first` joined, with files of these sizes beside each other. */
async function set(sizes: Record<string, number>) {
  const folder = await tempFolder();
  const parts: Record<string, Buffer> = {};
  for (const [i, [name, size]] of Object.entries(sizes).entries()) {
    parts[name] = randomBytes(size, i + 1);
    await writeFile(join(folder, name), parts[name]);
  }
  const joined = async (first: string, follow = false) => {
    const disk = await openImageFile(join(folder, first));
    try {
      const found = await joinParts(disk, { follow });
      const { source } = found.disk;
      const bytes = await readBytes(source, 0, source.size);
      if (source !== disk.source) await source.close();
      return { bytes, files: found.parts.length };
    } finally {
      await disk.source.close();
    }
  };
  const expected = (...names: string[]) => Buffer.concat(names.map((name) => parts[name]!));
  return { folder, joined, expected };
}

const refused = (kind: string, message: RegExp) => (error: unknown) => {
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ kind, message: expect.stringMatching(message) });
};

const taken = () => expect.unreachable('it was taken');

describe('parts of a disk', () => {
  it('are joined in order, from 001 or 000 on', async () => {
    const one = await set({ 'a.raw.001': 4096, 'a.raw.002': 4096, 'a.raw.003': 77, 'b.raw.003': 5 });
    const found = await one.joined('a.raw.001');
    expect(found.files).toBe(3);
    expect(found.bytes.equals(one.expected('a.raw.001', 'a.raw.002', 'a.raw.003'))).toBe(true);
    const zero = await set({ 'a.000': 512, 'a.001': 512 });
    expect((await zero.joined('a.000')).bytes.equals(zero.expected('a.000', 'a.001'))).toBe(true);
    await zero.joined('a.001').then(taken, refused('usage', /part 1 /));
  });

  it('one alone is a disk', async () => {
    const { joined } = await set({ 'a.001': 512, 'b.raw': 7, 'c.123': 9 });
    expect(await joined('a.001')).toMatchObject({ files: 0 });
    expect(await joined('b.raw')).toMatchObject({ files: 0 });
    expect(await joined('c.123')).toMatchObject({ files: 0 });
  });

  it('a later part is refused, with the name of the first', async () => {
    const { joined } = await set({ 'a.001': 512, 'a.002': 512, 'b.002': 512, 'b.003': 512 });
    await joined('a.002').then(taken, (error) => {
      refused('usage', /part 2 /)(error);
      expect(error.hint).toContain('a.001');
    });
    await joined('b.003').then(taken, refused('corrupt', /missing: b.001/));
  });

  it('a gap is refused', async () => {
    const { joined } = await set({ 'a.001': 512, 'a.002': 512, 'a.004': 512, 'b.001': 5, 'b.003': 5 });
    await joined('a.001').then(taken, refused('corrupt', /missing: a.003/));
    await joined('b.001').then(taken, refused('corrupt', /missing: b.002/));
  });

  it('parts of unequal size are refused', async () => {
    for (const sizes of [
      [512, 511, 512],
      [512, 512, 513],
      [512, 0],
    ]) {
      const { joined } = await set(Object.fromEntries(sizes.map((size, i) => [`a.00${i + 1}`, size])));
      await joined('a.001').then(taken, refused('corrupt', /do not fit together/));
    }
  });

  it('numbered copies, each with a mark of its own, stay apart', async () => {
    const { folder, joined } = await set({ 'a.001': 0, 'a.002': 0, 'a.005': 0 });
    const qcow2 = Buffer.alloc(512);
    qcow2.write('QFI\xfb', 'latin1');
    qcow2.writeUInt32BE(3, 4);
    for (const name of ['a.001', 'a.002', 'a.005']) await writeFile(join(folder, name), qcow2);
    for (const name of ['a.001', 'a.002', 'a.005']) expect((await joined(name)).files).toBe(0);
  });

  it('a link that leads out of the folder needs trust', async () => {
    const { folder, joined } = await set({ 'a.001': 512 });
    const outside = join(await tempFolder(), 'secret');
    await writeFile(outside, Buffer.alloc(512, 1));
    await mkdir(join(folder, 'x'));
    await symlink(outside, join(folder, 'a.002'));
    await joined('a.001').then(taken, refused('unsupported', /outside/));
    expect((await joined('a.001', true)).files).toBe(2);
  });
});
