import { randomBytes } from 'node:crypto';
import { deflateRawSync, deflateSync, inflateRawSync, inflateSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';

const text = Buffer.from('a machine, its disks and what is written on them; '.repeat(1500)).subarray(
  0,
  65536,
);
const contents = {
  text,
  random: randomBytes(65536),
  zeros: Buffer.alloc(65536),
  short: Buffer.from('x'),
};

type Compression = typeof import('../../src/codecs/compression.ts');
const loaded: Partial<Record<'on' | 'off', Promise<Compression>>> = {};

/** A copy of the module for each: which library is taken is decided at its first use. */
async function load(native: 'on' | 'off'): Promise<Compression> {
  loaded[native] ??= (async () => {
    vi.resetModules();
    vi.stubEnv('VMFERRY_NATIVE', native);
    const compression = await import('../../src/codecs/compression.ts');
    compression.compressors();
    vi.unstubAllEnvs();
    return compression;
  })();
  return loaded[native];
}

describe.each(['on', 'off'] as const)('compression, libraries of the system %s', (native) => {
  it.each(Object.entries(contents))('deflates and inflates %s as zlib does', async (_name, content) => {
    const { compressedRoom, deflate, inflateExactly } = await load(native);
    for (const level of [0, 1, 9]) {
      const target = Buffer.alloc(compressedRoom(content.length));
      const raw = Buffer.from(await deflate(content, target, 'raw', level));
      const wrapped = Buffer.from(await deflate(content, target, 'zlib', level));
      expect(inflateRawSync(raw).equals(content)).toBe(true);
      expect(inflateSync(wrapped).equals(content)).toBe(true);
    }
    const padded = Buffer.concat([deflateRawSync(content), Buffer.from('what follows')]);
    expect((await inflateExactly(padded, content.length, 'raw', 'x')).equals(content)).toBe(true);
    expect((await inflateExactly(deflateSync(content), content.length, 'zlib', 'x')).equals(content)).toBe(
      true,
    );
  });

  it.each(Object.entries(contents))('zstd there and back: %s', async (_name, content) => {
    const { compressedRoom, unzstdInto, zstdCompress } = await load(native);
    const frame = await zstdCompress(content, Buffer.alloc(compressedRoom(content.length)), 0);
    const padded = Buffer.concat([frame, Buffer.alloc(100, 7)]);
    const back = Buffer.alloc(content.length);
    expect(await unzstdInto(padded, back, 'x')).toBe(content.length);
    expect(back.equals(content)).toBe(true);
  });

  it('refuses what is too long, too short, cut or damaged', async () => {
    const { compressedRoom, inflateExactly, unzstdInto, zstdCompress } = await load(native);
    const packed = deflateSync(text);
    const broken = Buffer.from(packed);
    broken[20]! ^= 0x55;
    const corrupt = { kind: 'corrupt' };
    await expect(inflateExactly(packed, text.length - 1, 'zlib', 'x')).rejects.toMatchObject(corrupt);
    await expect(inflateExactly(packed, text.length + 1, 'zlib', 'x')).rejects.toMatchObject(corrupt);
    await expect(inflateExactly(packed.subarray(0, -9), text.length, 'zlib', 'x')).rejects.toMatchObject(
      corrupt,
    );
    await expect(inflateExactly(broken, text.length, 'zlib', 'x')).rejects.toMatchObject(corrupt);
    const frame = Buffer.from(await zstdCompress(text, Buffer.alloc(compressedRoom(text.length)), 0));
    for (const size of [text.length - 1, text.length + 1]) {
      await expect(unzstdInto(frame, Buffer.alloc(size), 'x')).rejects.toMatchObject(corrupt);
    }
    await expect(unzstdInto(frame.subarray(0, -3), Buffer.alloc(text.length), 'x')).rejects.toMatchObject(
      corrupt,
    );
  });

  it('serves many at once', async () => {
    const { compressedRoom, deflate } = await load(native);
    const inputs = Array.from({ length: 100 }, (_, i) => Buffer.from(`${i} `.repeat(3000)));
    const packed = await Promise.all(
      inputs.map((input) => deflate(input, Buffer.alloc(compressedRoom(input.length)), 'raw', 0)),
    );
    for (const [i, bytes] of packed.entries()) expect(inflateRawSync(bytes).equals(inputs[i]!)).toBe(true);
  });
});
