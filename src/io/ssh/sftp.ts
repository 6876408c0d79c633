/** Files of a host by SFTP (version 3): promises, errors in our words, reads bounded in number. */
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { AppError } from '../../model/errors.ts';
import type { SshConnection } from './connection.ts';
import { printable } from './failures.ts';

export type RemoteStats = Stats;
export type RemoteEntry = FileEntryWithStats;
export type RemoteHandle = Buffer;

/**
 * What is asked for at once. OpenSSH answers up to 255 KiB (`limits@openssh.com`), and ssh2 takes 254 for sure; more
 * would become two questions, one behind the other.
 */
export const pieceBytes = 254 * 1024;
const piecesInFlight = 16;

/** One is usual: `.` and `..` alone, which ssh2 leaves out. */
const mostEmptyPages = 16;

export class Sftp {
  readonly #connection: SshConnection;
  readonly #sftp: SFTPWrapper;
  /**
   * Answers land in buffers of our own: after a cancel one may still come, and must not land in memory that has
   * another use by then. A buffer comes back with its answer, so their number bounds the questions.
   */
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;
  /** The SFTP server ended while the connection stands: ssh2 does not answer what is asked after that. */
  #gone = false;
  readonly #pending = new Set<() => void>();

  /** `ended`: it is of no use any more. */
  constructor(connection: SshConnection, sftp: SFTPWrapper, ended: () => void) {
    this.#connection = connection;
    this.#sftp = sftp;
    sftp.on('error', () => undefined); // every request is told of it
    const end = () => {
      if (!this.#gone) ended();
      this.#gone = true;
      for (const refuse of [...this.#pending]) refuse();
    };
    sftp.on('end', end);
    sftp.on('close', end);
  }

  /** The absolute path of `path`; of `.`, the user's own folder. */
  realpath(path: string, signal?: AbortSignal): Promise<string> {
    return this.#ask(path, signal, (done) => this.#sftp.realpath(path, done));
  }

  stat(path: string, signal?: AbortSignal): Promise<RemoteStats> {
    return this.#ask(path, signal, (done) => this.#sftp.stat(path, done));
  }

  fstat(handle: RemoteHandle, path: string, signal?: AbortSignal): Promise<RemoteStats> {
    return this.#ask(path, signal, (done) => this.#sftp.fstat(handle, done));
  }

  open(path: string, signal?: AbortSignal): Promise<RemoteHandle> {
    return this.#ask(path, signal, (done) => this.#sftp.open(path, 'r', done));
  }

  /** A new file, to be written and read. */
  create(path: string, mode: number, signal?: AbortSignal): Promise<RemoteHandle> {
    return this.#ask(path, signal, (done) => this.#sftp.open(path, 'xw+', mode, done));
  }

  /** A file that is there, to be written and read; what it holds stays. */
  openToWrite(path: string, signal?: AbortSignal): Promise<RemoteHandle> {
    return this.#ask(path, signal, (done) => this.#sftp.open(path, 'r+', done));
  }

  /** Flushes to the medium, where the server can (OpenSSH's `fsync`). */
  async sync(handle: RemoteHandle, path: string): Promise<void> {
    await this.#ask<void>(path, undefined, (done) => {
      try {
        this.#sftp.ext_openssh_fsync(handle, (error) => done(error, undefined));
      } catch {
        done(undefined, undefined); // ssh2 throws where the server has no such extension
      }
    });
  }

  /** Writes all of `bytes`; the promise tells when they may be used again. */
  write(
    handle: RemoteHandle,
    bytes: Uint8Array,
    offset: number,
    path: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return this.#ask<void>(path, signal, (done) =>
      this.#sftp.write(handle, buffer, 0, buffer.length, offset, (error) => done(error, undefined)),
    );
  }

  truncate(handle: RemoteHandle, size: number, path: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(path, signal, (done) =>
      this.#sftp.fsetstat(handle, { size } as Stats, (error) => done(error, undefined)),
    );
  }

  /** Its time of last change, seconds since 1970. */
  setTime(handle: RemoteHandle, seconds: number, path: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(path, signal, (done) =>
      this.#sftp.futimes(handle, seconds, seconds, (error) => done(error, undefined)),
    );
  }

  /** Free for this user where `path` is; undefined where the server can't tell (OpenSSH's `statvfs`). */
  async freeBytes(path: string): Promise<number | undefined> {
    type Filesystem = { f_bavail: unknown; f_frsize: unknown } | undefined;
    const told = await this.#ask<Filesystem>(path, undefined, (done) => {
      try {
        this.#sftp.ext_openssh_statvfs(path, done);
      } catch {
        done(undefined, undefined); // ssh2 throws where the server has no such extension
      }
    }).catch(() => undefined);
    const bytes = Number(told?.f_bavail) * Number(told?.f_frsize);
    return Number.isFinite(bytes) && bytes >= 0 ? bytes : undefined;
  }

  makeFolder(path: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(path, signal, (done) => this.#sftp.mkdir(path, (error) => done(error, undefined)));
  }

  /** What is at `to` is replaced where the server can do so (OpenSSH's `posix-rename`). */
  rename(from: string, to: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(from, signal, (done) => {
      const end = (error: Error | null | undefined) => done(error, undefined);
      try {
        this.#sftp.ext_openssh_rename(from, to, end);
      } catch {
        this.#sftp.rename(from, to, end); // ssh2 throws where the server has no such extension
      }
    });
  }

  removeFile(path: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(path, signal, (done) =>
      this.#sftp.unlink(path, (error) => done(error, undefined)),
    );
  }

  removeFolder(path: string, signal?: AbortSignal): Promise<void> {
    return this.#ask<void>(path, signal, (done) => this.#sftp.rmdir(path, (error) => done(error, undefined)));
  }

  async close(handle: RemoteHandle): Promise<void> {
    // Nothing was written: whether the far end takes the goodbye makes no difference.
    await this.#ask<void>('', undefined, (done) =>
      this.#sftp.close(handle, (error) => done(error, undefined)),
    ).catch(() => undefined);
  }

  /** The entries of a folder as they come, in the server's order. */
  async *entries(path: string, signal?: AbortSignal): AsyncGenerator<RemoteEntry> {
    const handle = await this.#ask<Buffer>(path, signal, (done) => this.#sftp.opendir(path, done));
    try {
      for (let empty = 0; empty < mostEmptyPages; ) {
        const part = await this.#ask<RemoteEntry[] | undefined>(path, signal, (done) =>
          this.#sftp.readdir(handle, (error, list) => {
            if (statusOf(error) === status.endOfFile) done(undefined, undefined);
            else done(error, list);
          }),
        );
        if (part === undefined) return;
        empty = part.length === 0 ? empty + 1 : 0;
        yield* part;
      }
      throw new AppError('io', 'the server lists nothing, without end', {
        where: `${this.#connection.name}:${path}`,
      });
    } finally {
      await this.close(handle);
    }
  }

  /** Reads at most `pieceBytes` into `target`; resolves to how many came: 0 at the end of the file. */
  async readPiece(
    handle: RemoteHandle,
    target: Uint8Array,
    offset: number,
    path: string,
    signal?: AbortSignal,
  ): Promise<number> {
    const buffer = await this.#buffer(signal);
    const length = Math.min(target.length, pieceBytes);
    let asked = false;
    try {
      return await this.#ask<number>(path, signal, (done) => {
        asked = true;
        this.#sftp.read(handle, buffer, 0, length, offset, (error, count) => {
          // After a cancel the target may be in use for something else.
          if (!error && !signal?.aborted) target.set(buffer.subarray(0, count));
          this.#release(buffer);
          done(error, count);
        });
      });
    } finally {
      if (!asked) this.#release(buffer);
    }
  }

  #buffer(signal: AbortSignal | undefined): Promise<Buffer> {
    const buffer = this.#free.pop();
    if (buffer !== undefined) return Promise.resolve(buffer);
    if (this.#made < piecesInFlight) {
      this.#made++;
      return Promise.resolve(Buffer.allocUnsafeSlow(pieceBytes));
    }
    return this.#connection.request<Buffer>((resolve) => {
      // Who was cancelled meanwhile passes it on.
      this.#waiting.push((free) => (signal?.aborted ? this.#release(free) : resolve(free)));
    }, signal);
  }

  #release(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(buffer);
    else this.#free.push(buffer);
  }

  #ask<T>(
    path: string,
    signal: AbortSignal | undefined,
    start: (done: (error: Error | null | undefined, value: T) => void) => void,
  ): Promise<T> {
    return this.#connection.request<T>((resolve, reject) => {
      const refuse = () => {
        this.#pending.delete(refuse);
        reject(this.#failure(new Error('the server of files there has ended'), path));
      };
      if (this.#gone) return refuse();
      this.#pending.add(refuse);
      start((error, value) => {
        this.#pending.delete(refuse);
        if (error) reject(this.#failure(error, path));
        else resolve(value);
      });
    }, signal);
  }

  #failure(error: Error, path: string): AppError {
    const where = `${this.#connection.name}:${path}`;
    switch (statusOf(error)) {
      case status.noSuchFile:
        return new AppError('not-found', 'no such file or folder', { where, cause: error });
      case status.permissionDenied:
        return new AppError('auth', 'permission denied', {
          where,
          cause: error,
          hint: 'log in as a user who may read it, or change its owner or mode there',
        });
      case undefined:
        // No answer any more, though the connection stands: the SFTP server ended.
        return new AppError('unreachable', `SFTP: ${printable(error.message)}`, { where, cause: error });
      default:
        return new AppError('io', printable(error.message), { where, cause: error });
    }
  }
}

/** draft-ietf-secsh-filexfer-02, section 7. */
const status = { endOfFile: 1, noSuchFile: 2, permissionDenied: 3 } as const;

function statusOf(error: Error | null | undefined): number | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}
