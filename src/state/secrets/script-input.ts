/** The places that a script's secret is read from. Never by a call that could block a thread of libuv for ever. */
import { spawn } from 'node:child_process';
import { createReadStream, constants as fsConstants, fstatSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { AppError, toAppError } from '../../model/errors.ts';
import { KiB } from '../../model/units.ts';

const LARGEST = 64 * KiB;

export interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Reads to the end and closes the descriptor. */
export async function readDescriptor(fd: number, limits: Limits): Promise<string> {
  const where = `fd:${fd}`;
  const stats = statOf(fd, where);
  if (stats.isFile()) return collect(createReadStream('', { fd }), where, limits);
  // A socket is polled; a read of a pipe through the thread pool would block one thread until its writer ends.
  if (stats.isFIFO() || stats.isSocket()) {
    return collect(new Socket({ fd, readable: true, writable: false }), where, limits);
  }
  throw new AppError('usage', 'not a pipe and not a file', { where, hint: 'redirect something into it' });
}

function statOf(fd: number, where: string): Stats {
  try {
    return fstatSync(fd);
  } catch (cause) {
    throw new AppError('usage', 'this descriptor is not open', {
      where,
      hint: 'redirect into it: 3<file',
      cause,
    });
  }
}

/** Standard output of a command. Its standard error is dropped: it may repeat the secret. */
export async function readCommand(
  [command, ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  limits: Limits,
): Promise<string> {
  const where = `cmd:${command}`;
  const hint = 'run it by hand to see what it says';
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'ignore'], env, windowsHide: true });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT';
      const message = missing ? 'there is no such command' : 'the command could not be started';
      // Not as the cause: node puts the arguments into it.
      reject(new AppError(missing ? 'not-found' : 'io', message, { where }));
    });
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new AppError('auth', `the command ended with ${signal ?? code}`, { where, hint }));
    });
  });
  try {
    const [text] = await Promise.all([collect(child.stdout, where, limits), ended]);
    return text;
  } finally {
    ended.catch(() => undefined);
    child.kill('SIGKILL');
  }
}

/** @throws AppError `auth` when others than its owner may read the file, or the owner is somebody else. */
export async function readPrivateSecret(path: string): Promise<string> {
  try {
    // O_NONBLOCK: the opening of a FIFO must not wait for a writer. Windows has neither flag.
    const handle = await open(path, fsConstants.O_RDONLY | (fsConstants.O_NONBLOCK ?? 0));
    try {
      const stats = await handle.stat();
      checkPrivate(stats, path);
      const buffer = Buffer.alloc(stats.size);
      const { bytesRead } = await handle.read(buffer, 0, stats.size, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toAppError(error);
  }
}

function checkPrivate(stats: Stats, where: string): void {
  if (!stats.isFile()) throw new AppError('usage', 'not a regular file', { where });
  if (stats.size > LARGEST) throw tooLong(where);
  if (process.platform === 'win32') return;
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw new AppError('auth', `others may read or write this file: its mode is ${mode}, 0600 was expected`, {
      where,
      hint: 'chmod 600 it',
    });
  }
  const me = process.getuid?.();
  if (stats.uid !== me && stats.uid !== 0)
    throw new AppError('auth', 'this file is somebody else’s', { where });
}

async function collect(stream: Readable, where: string, { timeoutMs, signal }: Limits): Promise<string> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = signal ? AbortSignal.any([signal, timeout]) : timeout;
  const onStop = (): void => {
    stream.destroy(
      signal?.aborted
        ? new AppError('cancelled', 'cancelled', { where })
        : new AppError('unreachable', `the secret did not come within ${timeoutMs / 1000} s`, { where }),
    );
  };
  stop.addEventListener('abort', onStop);
  if (stop.aborted) onStop();
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > LARGEST) throw tooLong(where);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    throw toAppError(error);
  } finally {
    stop.removeEventListener('abort', onStop);
    stream.destroy();
  }
}

function tooLong(where: string): AppError {
  return new AppError('usage', 'longer than 64 KiB: this is no secret', { where });
}
