/** This computer as a host. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, readdir, readFile, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { fileSink } from '../file-sink.ts';
import { fileSource } from '../file-source.ts';
import { collect, lastBytes } from './command-output.ts';
import type { Host, HostFile, HostFiles, Running } from './host.ts';

export function localHost(): Host {
  return {
    name: 'this computer',
    here: true,
    files: localFiles,
    async run(args, options = {}) {
      const running = await start(args, options.signal);
      return collect(running, args[0]!, options, 'this computer');
    },
    spawn: (args, options = {}) => start(args, options.signal),
    async close() {
      // nothing is held
    },
  };
}

async function start(args: readonly string[], signal: AbortSignal | undefined): Promise<Running> {
  if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
  const child = spawn(args[0]!, args.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    // A group of its own: Ctrl+C is ours to pass on, in order.
    detached: true,
  });
  const stderr = lastBytes(child.stderr);
  child.stdin.on('error', () => undefined); // it may end without reading all; its exit code tells
  const kill = () => void child.kill('SIGTERM');
  signal?.addEventListener('abort', kill, { once: true });
  const ended = new Promise<{ code: number; stderr: string }>((resolve, reject) => {
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted) reject(new AppError('cancelled', 'cancelled', { cause: signal.reason }));
      else if (code !== null) resolve({ code, stderr: stderr() });
      else reject(new AppError('io', `"${args[0]}" was ended by ${killedBy}`, { where: 'this computer' }));
    });
  });
  ended.catch(() => undefined); // whoever awaits it is told
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(([error]) => Promise.reject(error)),
  ]).catch((error: NodeJS.ErrnoException) => {
    signal?.removeEventListener('abort', kill);
    if (error.code !== 'ENOENT') throw toAppError(error);
    throw new AppError('not-found', `there is no command "${args[0]}"`, {
      where: 'this computer',
      hint: `install what brings "${args[0]}"`,
      cause: error,
    });
  });
  return { stdin: child.stdin, stdout: child.stdout, ended, kill };
}

const inOurWords = (error: unknown): never => {
  throw toAppError(error);
};

const localFiles: HostFiles = {
  home: async () => homedir(),
  realpath: (path) => realpath(path).catch(inOurWords),
  stat: (path) =>
    fileAt(path).catch((error) => {
      if (toAppError(error).kind === 'not-found') return undefined;
      throw toAppError(error);
    }),
  async list(folder) {
    const names = await readdir(folder).catch(inOurWords);
    const found = await Promise.all(names.sort().map((name) => localFiles.stat(join(folder, name))));
    return found.filter((file) => file !== undefined);
  },
  open: (path) => fileSource(path),
  async text(path, { maximumBytes = MiB } = {}) {
    const { size } = await stat(path).catch(inOurWords);
    if (size > maximumBytes)
      throw new AppError('unsupported', `longer than ${maximumBytes} bytes`, { where: path });
    return readFile(path, 'utf8').catch(inOurWords);
  },
  create: (path, { mode, sync = false, resume = false } = {}) =>
    fileSink(path, { sync, resume, ...(mode === undefined ? {} : { mode }) }),
  makeFolder: async (path) => void (await mkdir(path, { recursive: true }).catch(inOurWords)),
  rename: (from, to) => rename(from, to).catch(inOurWords),
  async remove(path) {
    const found = await lstat(path).catch(() => undefined);
    await (found?.isDirectory() ? rmdir(path) : rm(path, { force: true })).catch(inOurWords);
  },
};

async function fileAt(path: string): Promise<HostFile> {
  const stats = await stat(path);
  const kind = stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'folder'
      : stats.isBlockDevice()
        ? 'device'
        : 'other';
  const size = kind === 'device' ? await deviceSize(path) : stats.size;
  return {
    path,
    kind,
    size,
    ...(kind === 'file' ? { allocatedBytes: stats.blocks * 512 } : {}),
    modifiedAt: Math.floor(stats.mtimeMs / 1000),
  };
}

/** Zero where the device can't be opened by this user. */
async function deviceSize(path: string): Promise<number> {
  const source = await fileSource(path).catch(() => undefined);
  const size = source?.size ?? 0;
  await source?.close();
  return size;
}
