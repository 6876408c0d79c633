/**
 * A file's bytes by dd, as whoever the host's commands run as: root where sudo is used, or a user who may read a
 * device that SFTP does not open.
 */

import type { ByteSource } from '../../io/byte-source.ts';
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { rangesSource, smallFetch } from './ranges-source.ts';

/** Undefined where those commands can't read it, or are not there. `path` is absolute. */
export async function ddSource(
  host: Host,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ByteSource | undefined> {
  const answer = async (...args: string[]) => {
    const result = await host.run(args, { signal }).catch((error) => {
      if (['cancelled', 'unreachable'].includes(toAppError(error).kind)) throw error;
      return undefined;
    });
    return result?.code === 0 ? result.stdout.toString().trim() : undefined;
  };
  if ((await answer('test', '-r', path)) === undefined) return undefined;
  const [, kind, length] =
    /^([a-z ]+)\|(\d+)$/.exec((await answer('stat', '-L', '-c', '%F|%s', path)) ?? '') ?? [];
  const bytes = kind === 'block special file' ? await answer('blockdev', '--getsize64', path) : length;
  if (kind === undefined || !/file$/.test(kind) || bytes === undefined || !/^\d{1,16}$/.test(bytes))
    return undefined;
  return rangesSource(path, Number(bytes), (offset, length, stop) =>
    dd(host, path, { offset, length }, stop),
  );
}

/** Offsets are multiples of its block: all implementations of dd understand that. */
async function dd(
  host: Host,
  path: string,
  { offset, length }: { readonly offset: number; readonly length: number },
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const count = Math.ceil(length / smallFetch);
  const args = ['dd', `if=${path}`, `bs=${smallFetch}`, `skip=${offset / smallFetch}`, `count=${count}`];
  const { code, stdout, stderr } = await host.run(args, { signal, maximumBytes: length + MiB });
  if (code === 0 && stdout.length >= length) return stdout.subarray(0, length);
  const why = code === 0 ? `it gave ${stdout.length} bytes of ${length}` : stderr.trim().slice(0, 500);
  throw new AppError('io', `dd at ${offset}: ${why}`, { where: `${host.name}:${path}` });
}
