/** Damaged and malicious DMG files. */
import { describe, expect, it } from 'vitest';
import { unadc } from '../../src/codecs/dmg/adc.ts';
import { dmgCodec } from '../../src/codecs/dmg/index.ts';
import { tableHeader } from '../../src/codecs/dmg/layout.ts';
import { memorySource, readBytes } from '../../src/io/byte-source.ts';
import { KiB } from '../../src/model/units.ts';
import { adc, dmgImage } from '../codecs/dmg-images.ts';
import { randomBytes, randomNumbers, textBytes } from '../conformance/random.ts';
import { nothingBeside, survive, surviveChanges, surviveCuts } from './mutations.ts';

const content = Buffer.concat([textBytes(300 * KiB, 1), Buffer.alloc(400 * KiB), randomBytes(64 * KiB, 2)]);
const good = dmgImage(content, { methods: ['zlib', 'adc', 'raw'], chunkSectors: 128, splits: [3, 700] });

/** The image with its first block table changed. */
function withTable(change: (table: Buffer) => void): Buffer {
  const text = good.toString('latin1');
  const start = text.indexOf('<data>') + 6;
  const end = text.indexOf('</data>');
  const table = Buffer.from(text.slice(start, end), 'base64');
  change(table);
  const encoded = table.toString('base64').padEnd(end - start, ' ');
  return Buffer.from(text.slice(0, start) + encoded + text.slice(end), 'latin1');
}
const firstChunk = tableHeader.bytes + 40; // behind a comment
const opening = (bytes: Buffer) => dmgCodec.open(memorySource(bytes), nothingBeside);

describe('damaged', () => {
  it('is good before', async () => {
    const disk = await opening(good);
    expect((await readBytes(disk, 0, disk.size)).equals(content)).toBe(true);
    await disk.close();
  });

  it('cut short, changed in its trailer, its tables, its data', async () => {
    expect(await surviveCuts(dmgCodec, good)).toBeGreaterThan(50);
    await surviveChanges(dmgCodec, good, good.length - 512, good.length - 500);
    await surviveChanges(dmgCodec, good, good.length - 512 + 216, good.length - 512 + 232);
    const random = randomNumbers(4);
    for (let i = 0; i < 200; i++) {
      const copy = Buffer.from(good);
      copy[Math.floor(random() * copy.length)]! ^= 1 << (i % 8);
      await survive(dmgCodec, copy);
    }
  }, 20_000);

  it('numbers that no file has', async () => {
    for (const at of [8, 16, 24, firstChunk + 8, firstChunk + 16, firstChunk + 24, firstChunk + 32]) {
      for (const value of [1n << 33n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n]) {
        const bytes = withTable((table) => table.writeBigUInt64BE(value, at));
        await expect(opening(bytes), `${at} ${value}`).rejects.toMatchObject({ kind: 'corrupt' });
      }
    }
    const many = withTable((table) => table.writeUInt32BE(0xffffffff, 200));
    await expect(opening(many)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('refused by its name', () => {
  it('unknown chunks', async () => {
    for (const [type, says] of [[0x80000009, /80000009/]] as const) {
      const bytes = withTable((table) => table.writeUInt32BE(type, firstChunk));
      await expect(opening(bytes)).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringMatching(says),
      });
    }
  });

  it('several parts, a resource fork', async () => {
    const parts = Buffer.from(good);
    parts.writeUInt32BE(3, good.length - 512 + 60);
    await expect(opening(parts)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/3 parts/),
    });
    const old = Buffer.from(good);
    old.writeBigUInt64BE(0n, good.length - 512 + 224);
    await expect(opening(old)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('a document type that brings entities', async () => {
    const text = good
      .toString('latin1')
      .replace(/<!DOCTYPE plist [^>]*>/, (found) =>
        '<!DOCTYPE plist [<!ENTITY a "b">]>'.padEnd(found.length, ' '),
      );
    await expect(opening(Buffer.from(text, 'latin1'))).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('ADC', () => {
  it('gives back what was packed', () => {
    for (const bytes of [
      textBytes(50_000, 1),
      randomBytes(3000, 2),
      Buffer.alloc(70_000, 5),
      Buffer.from('x'),
    ]) {
      expect(unadc(adc(bytes), bytes.length, 'a').equals(bytes)).toBe(true);
    }
  });

  it('refuses what leads outside', () => {
    for (const bad of [
      [],
      [0x80],
      [0xff, 1],
      [0x00, 5],
      [0x40, 0],
      [0x81, 1, 2, 0x00, 9],
      [0x80, 1, 0x7f, 0, 0],
    ]) {
      expect(() => unadc(Buffer.from(bad), 10, 'a')).toThrow(/ADC/);
    }
  });
});
