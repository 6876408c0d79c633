/** A gzip member that tells where it ends: Node's own gunzip passes over what follows. RFC 1952. */
import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { Reader } from '../reader.ts';

const damaged = (message: string, at: number, cause?: unknown) =>
  new AppError('corrupt', `initramfs: gzip at ${at}: ${message}`, {
    hint: 'the file is cut short or damaged',
    ...(cause === undefined ? {} : { cause }),
  });

async function* bytesFrom(reader: Reader, start: number): AsyncGenerator<Buffer> {
  for (let at = start; at < reader.size; at += MiB)
    yield await reader.read(at, Math.min(MiB, reader.size - at));
}

/** Where the compressed bytes begin: 2.3, fields that may follow the header. */
async function behindHead(reader: Reader, start: number): Promise<number> {
  const head = await reader.read(start, 10);
  const flags = head[3]!;
  if (head[2] !== 8 || (flags & 0xe0) !== 0) throw damaged(`method ${head[2]}, flags ${flags}`, start);
  let at = start + 10;
  if ((flags & 4) !== 0) at += 2 + (await reader.read(at, 2)).readUInt16LE(0);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const bytes = await reader.read(at, Math.min(64 * 1024, reader.size - at));
    const end = bytes.indexOf(0);
    if (end < 0) throw damaged('a name that does not end', start);
    at += end + 1;
  }
  return (flags & 2) !== 0 ? at + 2 : at;
}

/** The content. @returns the offset behind the member. @throws AppError `corrupt`. */
export async function* gunzipMember(reader: Reader, start: number): AsyncGenerator<Buffer, number> {
  const dataAt = await behindHead(reader, start);
  const stored = Readable.from(bytesFrom(reader, dataAt), { objectMode: false, highWaterMark: MiB });
  const inflate = createInflateRaw({ chunkSize: MiB / 4 });
  let sum = 0;
  let size = 0;
  try {
    // It ends before what feeds it does, so what feeds it is closed early: no failure.
    for await (const bytes of pipeline(stored, inflate, () => undefined)) {
      sum = crc32(bytes, sum);
      size += bytes.length;
      yield bytes as Buffer;
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw damaged('it can not be unpacked', start, error);
  } finally {
    stored.destroy();
    inflate.destroy();
  }
  const end = dataAt + inflate.bytesWritten;
  const tail = await reader.read(end, 8);
  if (tail.readUInt32LE(0) !== sum || tail.readUInt32LE(4) !== size % 2 ** 32)
    throw damaged('a wrong checksum', start);
  return end + 8;
}
