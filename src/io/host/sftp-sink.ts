/** A new file at the far end by SFTP: many writes in flight, gaps left as holes. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { ByteSink } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import { changed, Reopened } from '../retrying.ts';
import type { RemoteHandle, Sftp } from '../ssh/sftp.ts';
import type { CreateOptions } from './host.ts';
import type { SshLink } from './ssh-link.ts';

/** OpenSSH takes packets of 256 KiB; every server takes 32 KiB, and ssh2 cuts to what the server says. */
const pieceBytes = 32 * 1024;
const piecesInFlight = 64;
/** With less than this free a failed write is taken for a full disk. */
const nearlyFull = MiB;

interface Opened {
  readonly sftp: Sftp;
  readonly handle: RemoteHandle;
}

/** What a lost connection did not acknowledge is written again. @throws AppError `conflict`, `auth`, `not-found`, `unreachable`. */
export async function sftpSink(
  link: SshLink,
  path: string,
  { signal, mode = 0o666, resume = false }: Omit<CreateOptions, 'sync'> = {},
): Promise<ByteSink> {
  const where = `${link.name}:${path}`;
  const sftpNow = async (until?: AbortSignal) => (await link.current(until)).sftp(until);
  const first = await sftpNow(signal);
  const opened = resume ? first.openToWrite(path, signal) : first.create(path, mode, signal);
  const handle = await opened.catch(async (error) => {
    throw resume ? error : ((await existsError(first, path, where, error)) ?? error);
  });
  /** The end of what the host has told that it has. */
  let taken = 0;
  const held = new Reopened<Opened>({ sftp: first, handle }, link.tries(), {
    async open(until) {
      const sftp = await sftpNow(until);
      const again = await sftp.openToWrite(path, until);
      const { size } = await sftp.fstat(again, path, until);
      if (size >= taken) return { sftp, handle: again };
      await sftp.close(again);
      throw changed(where);
    },
    letGo: ({ sftp, handle: lost }) => sftp.close(lost),
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
    const free = await sftpNow()
      .then((sftp) => sftp.freeBytes(path))
      .catch(() => undefined);
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
      await held.using(cancel, (now) => now.sftp.write(now.handle, bytes, offset, path, cancel));
      taken = Math.max(taken, offset + bytes.length);
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
      if (durable) await held.using(undefined, (now) => now.sftp.sync(now.handle, path));
    },
    async finish(size, modifiedAt) {
      if (failed !== undefined) throw await why(failed);
      await held.using(signal, async ({ sftp, handle: on }) => {
        await sftp.truncate(on, size, path);
        if (modifiedAt !== undefined) await sftp.setTime(on, modifiedAt, path);
      });
      await closeNow();
    },
    abort: () => closeNow(),
  };

  async function closeNow(): Promise<void> {
    const now = await held.end();
    await now?.sftp.close(now.handle);
  }
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
