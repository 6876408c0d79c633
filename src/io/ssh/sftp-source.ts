/** A file at the far end of an SSH connection as a source, read at random. */
import { AppError } from '../../model/errors.ts';
import { type ByteSource, checkRange } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import type { SshConnection } from './connection.ts';
import { pieceBytes, type RemoteHandle, type RemoteStats, type Sftp } from './sftp.ts';

/**
 * Opens the file for reading; `path` is absolute. Closing the source leaves the connection open.
 * @throws AppError `not-found`, `auth`, `unsupported` for what is no file, `unreachable`.
 */
export async function sftpSource(
  connection: SshConnection,
  path: string,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const sftp = await connection.sftp(signal);
  const where = `${connection.name}:${path}`;
  // Before it is opened: opening a pipe waits for its other end.
  checkKind(await sftp.stat(path, signal), where);
  const handle = await sftp.open(path, signal);
  try {
    const stats = await sftp.fstat(handle, path, signal);
    checkKind(stats, where);
    return handleSource(sftp, handle, path, where, stats);
  } catch (error) {
    await sftp.close(handle);
    throw error;
  }
}

function checkKind(stats: RemoteStats, where: string): void {
  if (stats.isDirectory()) {
    throw new AppError('unsupported', 'this is a folder, not an image', { where, hint: 'name a file in it' });
  }
  if (!stats.isFile()) {
    throw new AppError('unsupported', 'this is not a file', {
      where,
      hint: 'devices at the far end of SSH can not be read yet: copy it to a file there',
    });
  }
  if (!Number.isSafeInteger(stats.size) || stats.size < 0) {
    throw new AppError('io', 'the server does not tell the size of this file', { where });
  }
}

function handleSource(
  sftp: Sftp,
  handle: RemoteHandle,
  path: string,
  where: string,
  { size, mtime }: RemoteStats,
): ByteSource {
  let closed = false;
  const readPart = async (target: Uint8Array, offset: number, signal: AbortSignal | undefined) => {
    // A server may answer with less than it was asked for, and must be asked again for the rest.
    for (let done = 0; done < target.length; ) {
      throwIfAborted(signal);
      const count = await sftp.readPiece(handle, target.subarray(done), offset + done, path, signal);
      if (count === 0) {
        throw new AppError('io', `the file became shorter while it was read (end at ${offset + done})`, {
          where,
        });
      }
      done += count;
    }
  };
  const source: ByteSource = {
    name: path,
    size,
    access: 'random',
    modifiedAt: mtime,
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      throwIfAborted(signal);
      const parts: Promise<void>[] = [];
      for (let at = 0; at < target.length; at += pieceBytes) {
        parts.push(readPart(target.subarray(at, at + pieceBytes), offset + at, signal));
      }
      await allOrFirstError(parts);
    },
    async close() {
      if (closed) return;
      closed = true;
      await sftp.close(handle);
    },
  };
  return source;
}

/** Like Promise.all, but after an error no part still writes to the target. */
async function allOrFirstError(parts: readonly Promise<void>[]): Promise<void> {
  if (parts.length === 1) return parts[0];
  const ended = await Promise.allSettled(parts);
  const failed = ended.find((p): p is PromiseRejectedResult => p.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
