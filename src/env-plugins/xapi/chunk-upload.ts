/**
 * A disk on its way into a server: PUT /import_raw_vdi with `chunked`, which is the API's own framing and not HTTP's.
 * Each piece says where it goes, so what is not sent stays zeros in the fresh disk.
 *
 *   offset 64 bits, length 32 bits, little-endian, bytes … | the end: both zero
 */
import type { ByteSink } from '../../io/byte-source.ts';
import type { HttpsClient } from '../../io/https/client.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { XapiSession } from './session.ts';
import { TaskUpload } from './task-upload.ts';

export interface UploadedDisk {
  readonly name: string;
  readonly vdi: string;
  /** Bytes, as the server has made it. */
  readonly size: number;
  readonly client: HttpsClient;
  readonly signal: AbortSignal;
}

export interface DiskUpload {
  readonly sink: ByteSink;
  /** All of it arrived. */
  readonly done: () => boolean;
  /** Resolves to what stays of its task. Never throws. */
  abort(): Promise<Leftover[]>;
}

export function chunkUpload(session: XapiSession, disk: UploadedDisk): DiskUpload {
  const { name, vdi, size, client, signal } = disk;
  const query = { vdi, format: 'raw', chunked: 'true' };
  const upload = new TaskUpload(session, {
    ...{ path: '/import_raw_vdi', query, client, signal },
    step: `sending ${name}`,
  });
  let end = 0;
  let whole = false;
  let turn: Promise<unknown> = Promise.resolve();
  /** One after the other, in the order in which they come. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  const sink: ByteSink = {
    name,
    access: 'forward',
    write: (bytes, offset) =>
      inTurn(async () => {
        throwIfAborted(signal);
        if (offset < end) throw new AppError('bug', `${name}: bytes at ${offset} after ${end}`);
        if (bytes.length > size - offset) {
          throw new AppError(
            'conflict',
            `${name} has more than the ${size} bytes of the disk that was made for it`,
            {
              hint: 'the source has changed meanwhile: look at it again and make the plan anew',
            },
          );
        }
        // Nothing at the very beginning would be the end.
        if (bytes.length === 0) return;
        await upload.send(frame(offset, bytes.length), bytes);
        end = offset + bytes.length;
      }),
    finish: () =>
      inTurn(async () => {
        throwIfAborted(signal);
        await upload.finish(frame(0, 0));
        whole = true;
      }),
    abort: async () => void (await upload.abort()),
  };
  return { sink, done: () => whole, abort: () => upload.abort() };
}

function frame(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64LE(BigInt(offset));
  bytes.writeUInt32LE(length, 8);
  return bytes;
}
