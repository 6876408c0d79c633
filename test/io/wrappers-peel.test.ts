/** Looking through what is around a file, reading it as a stream, and what the packing says of the size. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { memorySource, unknownSize } from '../../src/io/byte-source.ts';
import { contentSize } from '../../src/io/wrappers/content-size.ts';
import { forwardSource } from '../../src/io/wrappers/forward-source.ts';
import { peel } from '../../src/io/wrappers/peel.ts';
import { randomBytes } from '../conformance/random.ts';
import { packedSamples, sampleContent } from './wrapper-samples.ts';

const content = randomBytes(3_000_001, 7);
const gz = memorySource(gzipSync(content), 'a.gz');
const peeled = (headBytes = 1000) => peel(gz, 'gzip', { headBytes });

describe('peeled', () => {
  it('layers, the beginning, the rest', async () => {
    const source = memorySource(gzipSync(gzipSync(content)), 'a.gz.gz');
    const found = await peel(source, 'gzip', { headBytes: 1000 });
    expect(found.wrappers).toEqual(['gzip', 'gzip']);
    expect(found.whole).toBe(false);
    const parts = [found.head];
    for await (const piece of found.rest) parts.push(Buffer.from(piece));
    expect(Buffer.concat(parts).equals(content)).toBe(true);
  });

  it('all of something small; too many layers; a cut beginning', async () => {
    for (const { wrapper, bytes } of packedSamples) {
      const found = await peel(memorySource(bytes, 'a'), wrapper, { headBytes: 1e6 });
      expect(found).toMatchObject({ wrappers: [wrapper], whole: true });
      expect(found.head.equals(sampleContent)).toBe(true);
    }
    let deep: Buffer = content;
    for (let i = 0; i < 4; i++) deep = gzipSync(deep);
    await expect(peel(memorySource(deep, 'a'), 'gzip', { headBytes: 10 })).rejects.toMatchObject({
      kind: 'unsupported',
    });
    const cut = memorySource(gzipSync(content).subarray(0, 500), 'a');
    await expect(peel(cut, 'gzip', { headBytes: 1e6 })).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('as a stream', () => {
  it('ascending, over gaps, the beginning at any time', async () => {
    const source = forwardSource(await peeled(), gz, content.length);
    const check = async (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      await source.read(bytes, offset);
      expect(bytes.equals(content.subarray(offset, offset + length)), `${offset}`).toBe(true);
    };
    await check(5, 20);
    await Promise.all([check(0, 2000), check(2000, 70_000), check(2_100_000, 1)]);
    await check(17, 900);
    await expect(check(2_000_000, 5)).rejects.toMatchObject({ kind: 'bug' });
  });

  it('its end, and a last sector that is not whole', async () => {
    const source = forwardSource(await peeled(), gz, unknownSize);
    const sectors = Math.ceil(content.length / 512);
    const last = Buffer.alloc(512, 1);
    await source.read(last, (sectors - 1) * 512);
    expect(last.subarray(content.length % 512).every((b) => b === 0)).toBe(true);
    const other = forwardSource(await peeled(), gz, content.length + 1);
    await expect(other.read(Buffer.alloc(1), content.length)).rejects.toMatchObject({ kind: 'corrupt' });
    const third = forwardSource(await peeled(), gz, content.length);
    expect(await third.finish()).toBe(content.length);
    expect(third.end().equals(content.subarray(-512))).toBe(true);
    await third.close();
  });
});

describe('the size of the content', () => {
  it('xz and zstd say it, also of several streams', async () => {
    for (const { wrapper, bytes } of packedSamples.filter((s) => ['xz', 'zstd'].includes(s.wrapper))) {
      for (const times of [1, 3]) {
        const source = memorySource(Buffer.concat(Array.from({ length: times }, () => bytes)), 'a');
        // The sample of zstd has it in its header.
        expect(await contentSize(source, wrapper, Buffer.alloc(0)), wrapper).toBe(
          times * sampleContent.length,
        );
      }
      for (let at = 0; at < bytes.length; at++) {
        const found = await contentSize(memorySource(bytes.subarray(0, at), 'a'), wrapper, Buffer.alloc(0));
        expect(found === undefined || found <= sampleContent.length * 2).toBe(true);
      }
    }
  });

  it('gzip only together with a GPT; the others not', async () => {
    const disk = Buffer.alloc(512 * 200);
    disk.write('EFI PART', 512, 'latin1');
    disk.writeBigUInt64LE(199n, 512 + 32);
    expect(await contentSize(memorySource(gzipSync(disk), 'a'), 'gzip', disk)).toBe(disk.length);
    disk.writeBigUInt64LE(198n, 512 + 32);
    expect(await contentSize(memorySource(gzipSync(disk), 'a'), 'gzip', disk)).toBe(undefined);
    for (const { wrapper, bytes } of packedSamples.filter((s) =>
      ['bzip2', 'lz4', 'gzip'].includes(s.wrapper),
    ))
      expect(await contentSize(memorySource(bytes, 'a'), wrapper, sampleContent)).toBe(undefined);
  });
});
