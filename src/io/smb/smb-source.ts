/** A file on a share as a source, read at random. A connection that is cut is made anew once for each read. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type ByteSource, checkRange } from '../byte-source.ts';
import type { SmbProcess } from './child-process.ts';
import { smbUrl } from './share-path.ts';
import { fileOf } from './smb-files.ts';
import { checked, type SmbLink } from './smb-link.ts';

/** What is asked for at once; the library asks the server in pieces that this one takes. */
export const pieceBytes = MiB;

interface Handle {
  readonly process: SmbProcess;
  readonly file: number;
}

/** @throws AppError `not-found`, `auth`, `unsupported` for what is no file, `unreachable`. */
export async function smbSource(
  link: SmbLink,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ByteSource> {
  const url = smbUrl(path);
  const opened = async (cancel: AbortSignal | undefined) => {
    const process = await link.process();
    const told = fileOf(path, (await checked(process, { op: 'stat', url }, path, { signal: cancel })).header);
    if (told.kind !== 'file')
      throw new AppError('unsupported', 'this is no file', { where: path, hint: 'name a file in it' });
    const { header } = await checked(process, { op: 'open', url }, path, { signal: cancel });
    return { told, handle: { process, file: Number(header.file) } };
  };
  const first = await opened(signal);
  const { size, modifiedAt } = first.told;
  let handle: Promise<Handle> = Promise.resolve(first.handle);
  let closed = false;

  /** Several reads that fail at once open it once. */
  const again = (dead: Handle, cancel: AbortSignal | undefined): Promise<Handle> => {
    const before = handle;
    handle = before
      .catch(() => dead)
      .then(async (now) => {
        if (now !== dead && now.process.alive) return now;
        const { told, handle: fresh } = await opened(cancel);
        if (told.size === size && told.modifiedAt === modifiedAt) return fresh;
        throw new AppError('io', 'the file was changed while the connection was cut', { where: path });
      });
    handle.catch(() => undefined); // who asked is told
    return handle;
  };
  const readPiece = async (part: Uint8Array, offset: number, cancel: AbortSignal | undefined) => {
    const now = await handle;
    const request = { op: 'read', offset, length: part.length };
    const options = { target: part, ...(cancel === undefined ? {} : { signal: cancel }) };
    let answer: { readonly count: number };
    try {
      answer = await checked(now.process, { ...request, file: now.file }, path, options);
    } catch (error) {
      if (closed || !(error instanceof AppError) || error.kind !== 'unreachable') throw error;
      const { process, file } = await again(now, cancel);
      answer = await checked(process, { ...request, file }, path, options);
    }
    if (answer.count < part.length) {
      throw new AppError(
        'io',
        `the file became shorter while it was read (end at ${offset + answer.count})`,
        { where: path },
      );
    }
  };
  const source: ByteSource = {
    name: path,
    size,
    access: 'random',
    modifiedAt,
    async read(target, offset, cancel) {
      checkRange(source, offset, target.length);
      const parts: Promise<void>[] = [];
      for (let at = 0; at < target.length; at += pieceBytes)
        parts.push(readPiece(target.subarray(at, at + pieceBytes), offset + at, cancel));
      // After an error no part may still write to the target.
      const ended = await Promise.allSettled(parts);
      const failed = ended.find((part) => part.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    async close() {
      if (closed) return;
      closed = true;
      // Nobody waits for a server that may hang: with the link all is closed.
      void handle.then(({ process, file }) => process.call({ op: 'close', file })).catch(() => undefined);
    },
  };
  return source;
}
