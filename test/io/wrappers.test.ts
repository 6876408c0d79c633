/** Compression around whole files: what damaged and malicious ones may do, and how packing puts a file together. */
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ByteSink, memorySource } from '../../src/io/byte-source.ts';
import { packedSink } from '../../src/io/wrappers/packed-sink.ts';
import { packerFor } from '../../src/io/wrappers/packers.ts';
import { unwrap } from '../../src/io/wrappers/unwrap.ts';
import { splitWrapperName, type Wrapper, wrapperOf } from '../../src/io/wrappers/wrapper.ts';
import { AppError } from '../../src/model/errors.ts';
import { MiB } from '../../src/model/units.ts';
import { randomNumbers, textBytes } from '../conformance/random.ts';
import { packedSamples, sampleContent } from './wrapper-samples.ts';

async function unpacked(bytes: Buffer, wrapper: Wrapper, signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of unwrap(memorySource(bytes, 'packed'), wrapper, signal))
    parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
const outcome = (bytes: Buffer, wrapper: Wrapper) =>
  unpacked(bytes, wrapper).then(
    (found) => (found.equals(sampleContent) ? 'same' : 'wrong bytes'),
    (error) => (error instanceof AppError ? error.kind : `${error}`),
  );

describe('names and marks', () => {
  it('by the last extension, in any case', () => {
    expect(splitWrapperName('/a/disk.qcow2.GZ')).toEqual({ inner: '/a/disk.qcow2', wrapper: 'gzip' });
    expect(splitWrapperName('disk.raw')).toEqual({ inner: 'disk.raw' });
    expect(splitWrapperName('/a.gz/disk')).toEqual({ inner: '/a.gz/disk' });
    expect(splitWrapperName('.gz')).toEqual({ inner: '.gz' });
  });

  it('by the first bytes', () => {
    for (const { wrapper, bytes } of packedSamples) expect(wrapperOf(bytes.subarray(0, 16))).toBe(wrapper);
    for (const text of ['BZh9 not', 'KDMV', '\x1f\x8b\x01', ''])
      expect(wrapperOf(Buffer.from(text))).toBe(undefined);
  });
});

for (const { wrapper, bytes } of packedSamples) {
  describe(wrapper, () => {
    it('one, two, cut at every byte, changed at every byte', async () => {
      expect(await outcome(bytes, wrapper)).toBe('same');
      const twice = await unpacked(Buffer.concat([bytes, bytes]), wrapper);
      expect(twice.equals(Buffer.concat([sampleContent, sampleContent]))).toBe(true);
      for (let at = 0; at < bytes.length; at++) {
        expect(await outcome(bytes.subarray(0, at), wrapper), `cut at ${at}`).toBe('corrupt');
        const copy = Buffer.from(bytes);
        copy[at]! ^= 0x55;
        expect(['same', 'corrupt', 'unsupported']).toContain(await outcome(copy, wrapper));
      }
    });

    it('several changes at once, and something behind', async () => {
      const random = randomNumbers(7);
      for (let i = 0; i < 150; i++) {
        const copy = Buffer.from(bytes);
        for (let n = 0; n < 3; n++) copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
        expect(['same', 'corrupt', 'unsupported']).toContain(await outcome(copy, wrapper));
      }
      const behind = Buffer.concat([bytes, Buffer.from('what is this?')]);
      expect(await outcome(behind, wrapper)).toBe('corrupt');
    });

    it('ends when it is cancelled', async () => {
      await expect(unpacked(bytes, wrapper, AbortSignal.abort())).rejects.toMatchObject({
        kind: 'cancelled',
      });
    });
  });
}

describe('a file of 20 MiB packed with gzip', () => {
  function memorySink() {
    const parts: Buffer[] = [];
    let end = 0;
    const state = { finished: -1, aborted: false, fail: false };
    const sink: ByteSink = {
      name: 'a.gz',
      access: 'forward',
      async write(bytes, offset) {
        await new Promise((resolve) => setImmediate(resolve));
        if (state.fail) throw new AppError('no-space', 'no space left');
        expect(offset).toBe(end);
        end += bytes.length;
        parts.push(Buffer.from(bytes));
      },
      async finish(size) {
        state.finished = size;
      },
      async abort() {
        state.aborted = true;
      },
    };
    return { sink, parts, state };
  }
  const zstd = () => Promise.reject(new Error('not asked for'));

  it('is one member, with zeros in the gaps; the buffer is free once a write has ended', async () => {
    const { sink, parts, state } = memorySink();
    const packed = packedSink(sink, await packerFor('gzip', zstd));
    const expected = Buffer.alloc(20 * MiB + 3);
    for (const [i, offset] of [5, 70_000, 3 * MiB - 1, 12 * MiB].entries()) {
      const bytes = textBytes(60_000, i);
      bytes.copy(expected, offset);
      await packed.write(bytes, offset);
      bytes.fill(0xee);
    }
    await packed.finish(expected.length);
    const all = Buffer.concat(parts);
    expect(state.finished).toBe(all.length);
    expect(gunzipSync(all).equals(expected)).toBe(true);
    expect(all.length).toBeLessThan(200_000);
  });

  it('fails when the sink fails, and lets go', async () => {
    const { sink, state } = memorySink();
    const packed = packedSink(sink, await packerFor('gzip', zstd));
    await packed.write(textBytes(6 * MiB, 1), 0);
    state.fail = true;
    await expect(packed.write(textBytes(6 * MiB, 1), 6 * MiB)).rejects.toMatchObject({ kind: 'no-space' });
    await expect(packed.finish(12 * MiB)).rejects.toMatchObject({ kind: 'no-space' });
    await packed.abort();
    expect(state.aborted).toBe(true);
  });
});
