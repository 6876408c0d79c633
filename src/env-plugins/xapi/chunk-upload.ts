/**
 * A disk on its way into a server: PUT /import_raw_vdi with `chunked`, which is the API's own framing and not HTTP's.
 * Each piece says where it goes, so what is not sent stays zeros in the fresh disk.
 *
 *   offset 64 bits, length 32 bits, little-endian, bytes … | the end: both zero
 */
import type { ByteSink } from '../../io/byte-source.ts';
import type { HttpsClient } from '../../io/https/client.ts';
import type { Upload } from '../../io/https/upload.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { XapiSession } from './session.ts';
import { endTask, makeTask, taskResult } from './tasks.ts';

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
}

/** The server does not take HTTP's chunks, and what is sent has no length beforehand: one that is never reached. */
const endless = String(2 ** 50);
const silenceMs = 5 * 60_000;

export function chunkUpload(session: XapiSession, disk: UploadedDisk): DiskUpload {
  const { name, vdi, size, client, signal } = disk;
  const step = `sending ${name}`;
  let upload: Upload | undefined;
  let task: string | undefined;
  let end = 0;
  let whole = false;
  let turn: Promise<unknown> = Promise.resolve();

  const begin = async (): Promise<Upload> => {
    await session.check(signal);
    task = await makeTask(session, step, signal);
    const query = new URLSearchParams({
      session_id: session.id,
      task_id: task,
      vdi,
      format: 'raw',
      chunked: 'true',
    });
    return client.upload({
      path: `/import_raw_vdi?${query}`,
      headers: { 'content-type': 'application/octet-stream', 'content-length': endless },
      step,
      timeoutMs: silenceMs,
      silenceMs,
      answersEarly: true,
      signal,
    });
  };
  /** What the server says of it is worth more than that the link was cut. */
  const explained = async (error: unknown): Promise<AppError> => {
    const failed = toAppError(error);
    if (task === undefined || failed.kind === 'cancelled') return failed;
    const ended = taskResult(session, task, { step, signal: AbortSignal.timeout(5000) });
    task = undefined;
    return ended.then(
      () => failed,
      (reason) => (toAppError(reason).kind === 'cancelled' ? failed : toAppError(reason)),
    );
  };
  const send = async (...parts: Uint8Array[]) => {
    upload ??= await begin();
    try {
      for (const part of parts) await upload.write(part);
    } catch (error) {
      throw await explained(error);
    }
  };
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
        await send(frame(offset, bytes.length), bytes);
        end = offset + bytes.length;
      }),
    finish: () =>
      inTurn(async () => {
        throwIfAborted(signal);
        await send(frame(0, 0));
        try {
          const answer = await upload!.end();
          if (answer.status !== 200)
            throw new AppError('io', `${step}: the server answers HTTP ${answer.status}`, {
              where: client.name,
            });
        } catch (error) {
          throw await explained(error);
        }
        await taskResult(session, task!, { step, signal });
        task = undefined;
        whole = true;
      }),
    async abort() {
      upload?.abort();
      if (task !== undefined) await endTask(session, task, true);
      task = undefined;
    },
  };
  return { sink, done: () => whole };
}

function frame(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64LE(BigInt(offset));
  bytes.writeUInt32LE(length, 8);
  return bytes;
}
