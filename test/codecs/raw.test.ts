import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rawCodec } from '../../src/codecs/raw/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { contentNames, encodeToFile, rawContent, writeLargeRaw, writeRaw } from '../conformance/images.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';

describe('raw: open', () => {
  testCodec(
    rawCodec,
    contentNames.map((name) => ({
      name,
      async make() {
        const content = rawContent(name);
        return { image: await writeRaw(join(await tempFolder(), 'disk.raw'), content), expected: content };
      },
    })),
  );

  it('takes anything, as maybe', async () => {
    expect(await rawCodec.probe(memorySource(Buffer.alloc(0)))).toBe('maybe');
  });
});

describe('raw: encode', () => {
  for (const name of contentNames) {
    for (const preallocation of ['off', 'full']) {
      it(`${name}, preallocation ${preallocation}`, async () => {
        const folder = await tempFolder();
        const content = rawContent(name);
        const source = await writeRaw(join(folder, 'source.raw'), content);
        const [made] = await encodeToFile(rawCodec, source, join(folder, 'made.raw'), { preallocation });
        expect((await readFile(made!)).equals(content)).toBe(true);
        if (preallocation === 'full') {
          expect((await stat(made!)).blocks * 512).toBeGreaterThanOrEqual(content.length);
        }
      });
    }
  }

  it('keeps the holes of a disk of 2 TiB', async () => {
    const folder = await tempFolder();
    const size = 2 ** 41 + 512;
    const source = await writeLargeRaw(join(folder, 'large.raw'), size, [
      0,
      2 ** 32 - 50_000,
      2 ** 40 + 1,
      size - 999,
    ]);
    const [made] = await encodeToFile(rawCodec, source, join(folder, 'made.raw'));
    expect((await stat(made!)).blocks * 512).toBeLessThan(2 ** 20);
    await checkSample(rawCodec, { image: made!, expected: source });
  });
});
