/** A new file at the far end by SFTP: many writes in flight, gaps left as holes. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { ByteSink } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import type { SshConnection } from '../ssh/connection.ts';
import type { Sftp } from '../ssh/sftp.ts';
import type { CreateOptions } from './host.ts';

/** OpenSSH takes packets of 256 KiB; every server takes 32 KiB, and ssh2 cuts to what the server says. */
const pieceBytes = 32 * 1024;
const piecesInFlight = 64;
/** With less than this free a failed write is taken for a full disk. */
const nearlyFull = MiB;

/** @throws AppError `conflict`, `auth`, `not-found`, `unreachable`. */
export async function sftpSink(
  connection: SshConnection,
  path: string,
  { signal, mode = 0o666, resume = false }: Omit<CreateOptions, 'sync'> = {},
): Promise<ByteSink> {
  const sftp = await connection.sftp(signal);
  const where = `${connection.name}:${path}`;
  const opened = resume ? sftp.openToWrite(path, signal) : sftp.create(path, mode, signal);
  const handle = await opened.catch(async (error) => {
    throw resume ? error : ((await existsError(sftp, path, where, error)) ?? error);
  });
  // The first failure is told to everybody: what was to lie behind it is of no use.
  let failed: unknown;
  let inFlight = 0;
  const waiting: (() => void)[] = [];
  const release = () => {
    inFlight--;
    waiting.shift()?.();
  };
  /** Of a full disk SFTP says only that it failed. */
  const why = async (error: unknown) => {
    if (!(error instanceof AppError) || error.kind !== 'io') return error;
    const free = await sftp.freeBytes(path);
    if (free === undefined || free >= nearlyFull) return error;
    return new AppError('no-space', 'no space left', {
      where,
      hint: 'free some space or choose another folder, then run it again',
      cause: error,
    });
  };
  const put = async (bytes: Uint8Array, offset: number, cancel: AbortSignal | undefined) => {
    while (inFlight >= piecesInFlight) await new Promise<void>((resolve) => waiting.push(resolve));
    inFlight++;
    try {
      throwIfAborted(cancel);
      if (failed !== undefined) throw failed;
      await sftp.write(handle, bytes, offset, path, cancel);
    } catch (error) {
      failed ??= error;
      throw error;
    } finally {
      release();
    }
  };
  return {
    name: path,
    access: 'random',
    async write(bytes, offset, cancel) {
      const parts: Promise<void>[] = [];
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        parts.push(put(bytes.subarray(at, at + pieceBytes), offset + at, cancel));
      }
      const ended = await Promise.allSettled(parts);
      const bad = ended.find((p): p is PromiseRejectedResult => p.status === 'rejected');
      if (bad !== undefined) throw await why(bad.reason);
    },
    /** A write is told when the host has it. */
    async flush(durable) {
      if (durable) await sftp.sync(handle, path);
    },
    async finish(size, modifiedAt) {
      if (failed !== undefined) throw await why(failed);
      await sftp.truncate(handle, size, path);
      if (modifiedAt !== undefined) await sftp.setTime(handle, modifiedAt, path);
      await sftp.close(handle);
    },
    abort: () => sftp.close(handle),
  };
}

/** SFTP says of a file that exists only that it failed. */
async function existsError(
  sftp: Sftp,
  path: string,
  where: string,
  error: unknown,
): Promise<AppError | undefined> {
  if (!(error instanceof AppError) || error.kind !== 'io') return undefined;
  const there = await sftp.stat(path).then(
    () => true,
    () => false,
  );
  return there ? new AppError('conflict', 'it exists already', { where, cause: error }) : undefined;
}
