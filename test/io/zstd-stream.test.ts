import { afterEach, expect, it, vi } from 'vitest';
import xxhash from 'xxhash-wasm';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

/** A frame of raw blocks of 128 KiB and what is left, with a checksum. RFC 8878, 3.1.1. */
async function frameOf(content: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [Buffer.from('28b52ffd0468', 'hex')]; // a window of 8 MiB
  for (let at = 0; at < content.length; at += 131072) {
    const body = content.subarray(at, at + 131072);
    const header = Buffer.alloc(3);
    header.writeUIntLE(body.length * 8 + (at + 131072 >= content.length ? 1 : 0), 0, 3);
    parts.push(header, body);
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(Number(BigInt.asUintN(32, (await xxhash()).h64Raw(content))));
  return Buffer.concat([...parts, sum]);
}

async function unpacked(bytes: Buffer): Promise<Buffer> {
  const { unzstd } = await import('../../src/io/wrappers/zstd.ts');
  let at = 0;
  const take = async (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const out: Uint8Array[] = [];
  for await (const part of unzstd(take)) out.push(part);
  return Buffer.concat(out);
}

it.each(['on', 'off'])('unpacks zstd, with libraries of the system %s', async (native) => {
  vi.stubEnv('VMFERRY_NATIVE', native);
  // Its last block fills the room for what comes out to the byte.
  for (const length of [5, 2 * 131072, 300_000]) {
    const content = Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 9)) & 255));
    const frame = await frameOf(content);
    expect((await unpacked(Buffer.concat([frame, frame]))).equals(Buffer.concat([content, content]))).toBe(
      true,
    );
    frame[frame.length - 1]! ^= 1;
    await expect(unpacked(frame)).rejects.toMatchObject({ kind: 'corrupt' });
  }
});
