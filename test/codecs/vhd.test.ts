import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vhdCodec } from '../../src/codecs/vhd/index.ts';
import { geometryOf } from '../../src/codecs/vhd/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { GiB, KiB, MiB } from '../../src/model/units.ts';
import { contentNames, encodeToFile, openFile, rawContent } from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import { childOf, resealFooter } from './vhd-child.ts';

const disk = (content: Buffer) => sourceDisk(memorySource(content));
/** The content as a VHD shows it: whole sectors. */
const whole = (content: Buffer) =>
  Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);

async function dynamicBytes(content: Buffer, options = {}): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await tempFolder(), 'a.vhd');
  await encodeToFile(vhdCodec, disk(content), path, options);
  return { path, bytes: await readFile(path) };
}

describe('vhd', () => {
  for (const subformat of ['dynamic', 'fixed']) {
    testCodec(
      vhdCodec,
      contentNames.map((name) => ({
        name: `${subformat} ${name}`,
        async make() {
          const content = rawContent(name);
          const image = join(await tempFolder(), 'a.vhd');
          await encodeToFile(vhdCodec, disk(content), image, { subformat });
          return { image, expected: whole(content) };
        },
      })),
    );
  }

  it('blocks of 512 KiB', async () => {
    const content = rawContent('scrambled');
    const { path } = await dynamicBytes(content, { blockSize: 512 * KiB });
    await checkSample(vhdCodec, { image: path, expected: whole(content) });
  });

  it('is rounded up to a mebibyte where asked', async () => {
    const content = rawContent('odd');
    for (const subformat of ['dynamic', 'fixed']) {
      const path = join(await tempFolder(), 'a.vhd');
      await encodeToFile(vhdCodec, disk(content), path, { subformat, align: true });
      const expected = Buffer.concat([content, Buffer.alloc(4 * MiB - content.length)]);
      await checkSample(vhdCodec, { image: path, expected });
    }
  });

  it('an empty disk takes no block, a disk of zero bytes is one', async () => {
    const { bytes } = await dynamicBytes(Buffer.alloc(64 * MiB));
    expect(bytes.length).toBe(512 + 1024 + 512 + 512);
    const { path } = await dynamicBytes(Buffer.alloc(0));
    const image = await openFile(vhdCodec, path);
    expect(image.size).toBe(0);
    await image.close();
  });

  it('stores only sectors in use in its bitmap, and reads others as zeros', async () => {
    const content = Buffer.alloc(4 * MiB);
    content.fill(7, 64 * KiB, 68 * KiB);
    const { path, bytes } = await dynamicBytes(content);
    // What lies under a clear bit is not the disk's.
    bytes.fill(0xee, 2048 + 512, 2048 + 512 + 64 * KiB);
    await writeFile(path, bytes);
    await checkSample(vhdCodec, { image: path, expected: content });
  });

  it('takes the copy at the front when the end is damaged or cut off', async () => {
    const content = rawContent('scrambled');
    const { path, bytes } = await dynamicBytes(content);
    for (const damaged of [
      bytes.subarray(0, bytes.length - 512),
      Buffer.from(bytes).fill(0, bytes.length - 512),
    ]) {
      await writeFile(path, damaged);
      const image = await openFile(vhdCodec, path);
      expect(image.info.findings.map((f) => f.rule)).toEqual(['vhd.footer-copy-used']);
      await image.close();
      await checkSample(vhdCodec, { image: path, expected: whole(content) });
    }
  });

  it('reads a footer of 511 bytes', async () => {
    const content = rawContent('scrambled');
    for (const subformat of ['dynamic', 'fixed']) {
      const { path, bytes } = await dynamicBytes(content, { subformat });
      await writeFile(path, bytes.subarray(0, bytes.length - 1));
      await checkSample(vhdCodec, { image: path, expected: whole(content) });
    }
  });

  const creators: [string, 'geometry' | 'current size'][] = [
    ['vpc ', 'geometry'],
    ['qemu', 'geometry'],
    ['qem2', 'current size'],
    ['win ', 'current size'],
    ['d2v ', 'current size'],
    ['vbox', 'current size'],
    ['tap\0', 'current size'],
    ['????', 'current size'],
  ];
  it.each(creators)('the size of a disk made by "%s" is its %s', async (creator, from) => {
    const { path, bytes } = await dynamicBytes(rawContent('scrambled'), { subformat: 'fixed' });
    const at = bytes.length - 512;
    bytes.write(creator, at + 28, 'latin1');
    resealFooter(bytes, at);
    await writeFile(path, bytes);
    const image = await openFile(vhdCodec, path);
    const geometry = geometryOf(5 * MiB + 512);
    const byGeometry = geometry.cylinders * geometry.heads * geometry.sectorsPerTrack * 512;
    expect(byGeometry).not.toBe(5 * MiB + 512);
    expect(image.size).toBe(from === 'geometry' ? byGeometry : 5 * MiB + 512);
    expect(image.info.details.sizeFrom).toBe(from);
    expect(image.info.findings.map((f) => f.rule)).toEqual(from === 'geometry' ? ['vhd.two-sizes'] : []);
    await image.close();
  });

  it('says that the machine was saved', async () => {
    const { path, bytes } = await dynamicBytes(rawContent('tiny'), { subformat: 'fixed' });
    bytes[bytes.length - 512 + 84] = 1;
    resealFooter(bytes, bytes.length - 512);
    await writeFile(path, bytes);
    const image = await openFile(vhdCodec, path);
    expect(image.info.findings.map((f) => f.rule)).toEqual(['vhd.saved-state']);
    await image.close();
  });

  it('holds 2040 GiB and refuses more', async () => {
    const sized = (size: number) => ({
      size,
      sectorSize: 512,
      read: async (target: Uint8Array) => void target.fill(0),
      extents: async (from: number, to: number) => [
        { kind: 'zero' as const, offset: from, length: to - from },
      ],
      close: async () => undefined,
    });
    const path = join(await tempFolder(), 'a.vhd');
    await encodeToFile(vhdCodec, sized(2040 * GiB), path);
    const image = await openFile(vhdCodec, path);
    expect(image.size).toBe(2040 * GiB);
    await image.close();
    await expect(encodeToFile(vhdCodec, sized(2040 * GiB + 1), `${path}2`)).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });
});

describe('differencing vhd', () => {
  const below = rawContent('scrambled', 1);
  const above = rawContent('scrambled', 99);
  /** Child sectors that are stored at all: 4 KiB grains with data. */
  const merged = () => {
    const out = Buffer.from(below);
    for (let at = 0; at < above.length; at += 4096) {
      const piece = above.subarray(at, at + 4096);
      if (piece.some((b) => b !== 0)) piece.copy(out, at);
    }
    return out;
  };
  const cases: [string, Record<string, Buffer>, string][] = [
    ['a relative Windows name', { W2ru: Buffer.from('.\\base.vhd', 'utf16le') }, ''],
    ['a file URL', { MacX: Buffer.from('file://./base.vhd') }, ''],
    ['the plain name', {}, 'base.vhd'],
    ['an absolute Windows name', { W2ku: Buffer.from('C:\\vms\\base.vhd', 'utf16le') }, ''],
    ['a wrong name, then a right one', { W2ru: Buffer.from('.\\gone.vhd', 'utf16le') }, 'D:\\x\\base.vhd'],
  ];
  it.each(cases)('finds its parent by %s', async (_name, names, unicode) => {
    const folder = await tempFolder();
    await encodeToFile(vhdCodec, disk(below), join(folder, 'base.vhd'));
    await encodeToFile(vhdCodec, disk(above), join(folder, 'plain.vhd'));
    const parent = await readFile(join(folder, 'base.vhd'));
    const path = join(folder, 'child.vhd');
    await writeFile(path, childOf(parent, await readFile(join(folder, 'plain.vhd')), names, unicode));
    await checkSample(vhdCodec, { image: path, expected: whole(merged()) });
  });

  it('refuses another disk of that name, and a missing one', async () => {
    const folder = await tempFolder();
    await encodeToFile(vhdCodec, disk(below), join(folder, 'base.vhd'));
    await encodeToFile(vhdCodec, disk(above), join(folder, 'plain.vhd'));
    const parent = await readFile(join(folder, 'base.vhd'));
    const plain = await readFile(join(folder, 'plain.vhd'));
    const path = join(folder, 'child.vhd');
    await writeFile(path, childOf(parent, plain, {}, 'plain.vhd'));
    await expect(openFile(vhdCodec, path)).rejects.toMatchObject({ kind: 'corrupt' });
    await writeFile(path, childOf(parent, plain, {}, 'gone.vhd'));
    await expect(openFile(vhdCodec, path)).rejects.toMatchObject({ kind: 'not-found' });
  });
});

it('no open file is left behind by a refused image', async () => {
  const path = join(await tempFolder(), 'a.vhd');
  const file = await open(path, 'w');
  await file.truncate(4096);
  await file.close();
  await expect(openFile(vhdCodec, path)).rejects.toMatchObject({ kind: 'corrupt' });
});
