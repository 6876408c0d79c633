import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import { encodeEntry } from '../../src/codecs/vhdx/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { MiB } from '../../src/model/units.ts';
import { encodeToFile, openFile, rawContent } from '../conformance/images.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import { putLog, tableOffset } from './vhdx-images.ts';
import { logCases, logCasesApart } from './vhdx-logs.ts';

const content = rawContent('scrambled').subarray(0, 2 * MiB);

async function encoded(bytes: Buffer): Promise<{ path: string; bytes: Buffer }> {
  const path = join(await tempFolder(), 'a.vhdx');
  await encodeToFile(vhdxCodec, sourceDisk(memorySource(bytes)), path);
  return { path, bytes: await readFile(path) };
}

describe('vhdx with a log', () => {
  for (const { name, apply } of [...logCases, ...logCasesApart]) {
    it(name, async () => {
      const { path, bytes } = await encoded(content);
      apply(bytes);
      await writeFile(path, bytes);
      await checkSample(vhdxCodec, { image: path, expected: content });
      const image = await openFile(vhdxCodec, path);
      expect(image.info.findings).toMatchObject([{ rule: 'vhdx.not-closed', severity: 'note' }]);
      await image.close();
    });
  }

  it('the file is made longer where the log says so', async () => {
    const content = Buffer.alloc(2 * MiB, 1);
    content.fill(0, MiB);
    const { path, bytes } = await encoded(content);
    const entries = Buffer.from(bytes.subarray(tableOffset, tableOffset + 4096));
    encodeEntry(entries, 8, { state: 6, offset: bytes.length });
    putLog(bytes, [{ sequence: 1, writes: [{ at: tableOffset, bytes: entries }], last: bytes.length + MiB }]);
    await writeFile(path, bytes);
    await checkSample(vhdxCodec, { image: path, expected: content });
  });

  it('the file itself stays as it was', async () => {
    const { path, bytes } = await encoded(content);
    logCases[0]!.apply(bytes);
    await writeFile(path, bytes);
    await checkSample(vhdxCodec, { image: path, expected: content });
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });
});
