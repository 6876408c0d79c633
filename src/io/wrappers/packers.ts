/** What packs a file as gzip, zstd or xz: see `Packer`. */
import { promisify } from 'node:util';
import { constants, deflateRaw as deflateRawCallback } from 'node:zlib';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Packer } from './packed-sink.ts';
import type { Wrapper } from './wrapper.ts';

const deflateRaw = promisify(deflateRawCallback);

export const packedWrappers = ['gzip', 'zstd', 'xz'] as const;
export type PackedWrapper = (typeof packedWrappers)[number];

export const canPack = (wrapper: Wrapper): wrapper is PackedWrapper =>
  (packedWrappers as readonly string[]).includes(wrapper);

/** `zstd` compresses one block into one frame; the codecs have it. */
export async function packerFor(
  wrapper: PackedWrapper,
  zstd: (block: Buffer) => Promise<Uint8Array>,
): Promise<Packer> {
  if (wrapper === 'gzip') return gzipPacker();
  if (wrapper === 'zstd') return framesPacker(zstd);
  return xzPacker();
}

/** RFC 1952. One member: each block ends on a byte (a sync flush), so they follow each other as one stream. */
async function gzipPacker(): Promise<Packer> {
  const { crc32 } = await import('@node-rs/crc32');
  let crc = 0;
  const finishFlush = constants.Z_SYNC_FLUSH;
  return {
    blockBytes: MiB,
    head: Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
    pack: (block) => deflateRaw(block, { finishFlush, chunkSize: MiB + 4096 }),
    note(block) {
      crc = crc32(block, crc);
    },
    tail(size) {
      const end = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // an empty last block
      end.writeUInt32LE(crc, 2);
      end.writeUInt32LE(size % 2 ** 32, 6);
      return end;
    },
  };
}

/** RFC 8878, 3: frames may follow each other, their contents are one. */
function framesPacker(compress: (block: Buffer) => Promise<Uint8Array>): Packer {
  return {
    blockBytes: 4 * MiB,
    head: Buffer.alloc(0),
    pack: compress,
    note: () => undefined,
    // Nothing at all is still a frame.
    tail: (size) => (size === 0 ? compress(Buffer.alloc(0)) : Buffer.alloc(0)),
  };
}

/** ".xz file format", 2: streams may follow each other, their contents are one. */
async function xzPacker(): Promise<Packer> {
  const { default: lzma } = await import('lzma-native').catch((cause) => {
    throw new AppError(
      'unsupported',
      'xz can not be written on this computer: lzma-native has no build for it',
      {
        hint: 'choose .gz or .zst',
        cause,
      },
    );
  });
  const pack = (block: Buffer): Promise<Uint8Array> =>
    new Promise((resolve) => void lzma.compress(block, { preset: 3 }, resolve));
  return {
    blockBytes: 8 * MiB,
    head: Buffer.alloc(0),
    pack,
    note: () => undefined,
    tail: (size) => (size === 0 ? pack(Buffer.alloc(0)) : Buffer.alloc(0)),
  };
}
