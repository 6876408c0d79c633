/**
 * One zstd frame unpacked piece by piece: by the system's library, ten times as fast, else by one in JavaScript that
 * leaves the checksum of the content to us.
 */
import { AppError } from '../../model/errors.ts';
import { atFirstUse, loadWithStructures } from '../native-library.ts';

export interface ZstdStream {
  /** What comes out of the next bytes; `last` with the frame's last ones. */
  push(bytes: Buffer, last: boolean): readonly Uint8Array[];
  close(): void;
}

const names = {
  linux: ['libzstd.so.1'],
  freebsd: ['libzstd.so.1', 'libzstd.so'],
  darwin: ['/opt/homebrew/lib/libzstd.1.dylib', '/usr/local/lib/libzstd.1.dylib'],
} as const;
/** As large as a block's content. */
const roomBytes = 128 * 1024;

type Make = () => ZstdStream;
const system = atFirstUse(load);

export const zstdStream = async (): Promise<ZstdStream> => system()?.() ?? ownStream();

async function ownStream(): Promise<ZstdStream> {
  const [{ Decompress }, { default: xxhash }] = await Promise.all([import('fzstd'), import('xxhash-wasm')]);
  const hash = (await xxhash()).create64();
  const ready: Uint8Array[] = [];
  const stream = new Decompress((bytes) => ready.push(bytes));
  let checked: boolean | undefined;
  return {
    push(bytes, last) {
      // Bit 2 of the descriptor, behind the magic.
      checked ??= (bytes[4]! & 4) !== 0;
      stream.push(bytes, last);
      const out = ready.splice(0);
      if (!checked) return out;
      for (const part of out) hash.update(part);
      if (last && Number(BigInt.asUintN(32, hash.digest())) !== bytes.readUInt32LE(bytes.length - 4))
        throw new AppError('corrupt', 'zstd: the checksum of the content is wrong');
      return out;
    },
    close: () => undefined,
  };
}

/** API: zstd.h, the part that is stable since version 1.0. */
function load(): Make | undefined {
  const found = loadWithStructures(names);
  if (found === undefined) return undefined;
  const { library, structures } = found;
  const buffer = structures.struct({ bytes: 'void *', size: 'size_t', pos: 'size_t' });
  const argument = structures.inout(structures.pointer(buffer));
  const create = library.func('void *ZSTD_createDCtx()');
  const free = library.func('size_t ZSTD_freeDCtx(void *context)');
  const decompress = library.func('ZSTD_decompressStream', 'size_t', ['void *', argument, argument]);
  return () => {
    const context: unknown = create();
    if (context === null) throw new AppError('unsupported', 'zstd: no memory to unpack it');
    return {
      push(bytes, last) {
        const out: Buffer[] = [];
        let taken = 0;
        for (;;) {
          const room = Buffer.allocUnsafe(roomBytes);
          // The call turns what they hold into bare pointers.
          const to = { bytes: room, size: roomBytes, pos: 0 };
          const from = { bytes, size: bytes.length, pos: taken };
          const left = Number(decompress(context, to, from));
          // An error is a number near the largest size_t.
          if (left > Number.MAX_SAFE_INTEGER)
            throw new AppError(
              'corrupt',
              'zstd: the data is damaged, or the checksum of the content is wrong',
            );
          taken = Number(from.pos);
          const filled = Number(to.pos);
          if (filled > 0) out.push(room.subarray(0, filled));
          if (left === 0 && taken === bytes.length) return out;
          if (taken < bytes.length || filled === roomBytes) continue;
          if (!last) return out;
          // At the end of its window it stops with less than there is room for.
          if (filled === 0) throw new AppError('corrupt', 'zstd: it does not end where its last block does');
        }
      },
      close: () => void free(context),
    };
  };
}
