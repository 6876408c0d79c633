import { execFile } from 'node:child_process';
import { open, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { readHeader } from '../../src/codecs/cow/header.ts';
import { cowCodec } from '../../src/codecs/cow/index.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { MiB } from '../../src/model/units.ts';
import { contentNames, encodeToFile, rawContent, writeRaw } from '../conformance/images.ts';
import { randomBytes } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { cowFile } from './cow-images.ts';

const run = promisify(execFile);

/** What uml_moo makes of the COW file and its backing file. */
async function merged(folder: string, image: string, backing?: string): Promise<Buffer> {
  const out = join(folder, 'merged');
  const given = backing === undefined ? [] : ['-b', backing];
  await run('uml_moo', [...given, image, out], { cwd: folder });
  return readFile(out);
}

describeWith(['uml_moo'], 'COW written by us, merged by uml_moo', () => {
  for (const content of ['backing', 'cow']) {
    it.each(contentNames)(`${content}: %s`, async (name) => {
      const folder = await tempFolder();
      const image = join(folder, 'a.cow');
      const raw = await writeRaw(join(folder, 'raw'), rawContent(name));
      await encodeToFile(cowCodec, raw, image, { content });
      const bytes = rawContent(name);
      const expected = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);
      expect((await merged(folder, image)).equals(expected)).toBe(true);
      await checkSample(cowCodec, { image, expected });
    });
  }
});

describeWith(['uml_mkcow', 'uml_moo'], 'COW made by uml_mkcow', () => {
  it('empty, then with sectors of its own: we read what uml_moo merges', async () => {
    const folder = await tempFolder();
    const content = rawContent('scrambled');
    const backing = await writeRaw(join(folder, 'root_fs'), content);
    const image = join(folder, 'a.cow');
    await run('uml_mkcow', [image, backing]);
    await checkSample(cowCodec, { image, expected: content });
    // As the driver does: the sector at its place, then its bit.
    const source = await fileSource(image);
    const header = await readHeader(source);
    await source.close();
    const file = await open(image, 'r+');
    for (const sector of [0, 1, 7, 8, 4096, 5000, content.length / 512 - 1]) {
      await file.write(randomBytes(512, sector), 0, 512, header.dataOffset + sector * 512);
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, header.bitmapOffset + (sector >> 3));
      byte[0]! |= 1 << (sector & 7);
      await file.write(byte, 0, 1, header.bitmapOffset + (sector >> 3));
    }
    await file.close();
    const expected = await merged(folder, image);
    expect(expected.equals(content)).toBe(false);
    await checkSample(cowCodec, { image, expected });
  });

  // uml_moo takes version 1 in the order of its host, and the others big-endian.
  it.each([
    ['v1', 'le'],
    ['v2', 'be'],
    ['v3', 'be'],
  ] as const)('%s, %s: we read what uml_moo merges', async (kind, byteOrder) => {
    const folder = await tempFolder();
    const size = MiB + 512 * 3;
    const backing = join(folder, 'root_fs');
    await writeFile(backing, randomBytes(size, 1));
    const mtime = 1_700_000_000;
    await utimes(backing, mtime, mtime);
    const sectors = new Map([0, 1, 9, 700, 701, 2048].map((n) => [n, randomBytes(512, n + 2)] as const));
    const image = join(folder, 'a.cow');
    await writeFile(image, cowFile({ kind, byteOrder, size, backingFile: 'root_fs', mtime, sectors }));
    await checkSample(cowCodec, { image, expected: await merged(folder, image) });
  });
});
