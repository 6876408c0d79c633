/** A file on a share as a source, read at random. A connection that is cut is made anew. */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { ByteSource } from '../byte-source.ts';
import { reopening } from '../retrying.ts';
import { smbUrl } from './share-path.ts';
import { fileOf } from './smb-files.ts';
import { checked, type SmbLink } from './smb-link.ts';

/** What is asked for at once; the library asks the server in pieces that this one takes. */
export const pieceBytes = MiB;

/** @throws AppError `not-found`, `auth`, `unsupported` for what is no file, `unreachable`. */
export function smbSource(link: SmbLink, path: string, signal: AbortSignal | undefined): Promise<ByteSource> {
  return reopening(link.tries(path), (until) => openedOnce(link, path, until), signal);
}

/** As long as its process is connected. */
async function openedOnce(link: SmbLink, path: string, signal: AbortSignal | undefined): Promise<ByteSource> {
  const url = smbUrl(path);
  const process = await link.process();
  const { kind, size, modifiedAt } = fileOf(
    path,
    (await checked(process, { op: 'stat', url }, path, { signal })).header,
  );
  if (kind !== 'file')
    throw new AppError('unsupported', 'this is no file', { where: path, hint: 'name a file in it' });
  const { header } = await checked(process, { op: 'open', url }, path, { signal });
  const file = Number(header.file);
  const readPiece = async (part: Uint8Array, offset: number, cancel: AbortSignal | undefined) => {
    const options = { target: part, ...(cancel === undefined ? {} : { signal: cancel }) };
    const request = { op: 'read', file, offset, length: part.length };
    const { count } = await checked(process, request, path, options);
    if (count === part.length) return;
    throw new AppError('io', `the file became shorter while it was read (end at ${offset + count})`, {
      where: path,
    });
  };
  return {
    name: path,
    size,
    access: 'random',
    modifiedAt,
    async read(target, offset, cancel) {
      const parts: Promise<void>[] = [];
      for (let at = 0; at < target.length; at += pieceBytes)
        parts.push(readPiece(target.subarray(at, at + pieceBytes), offset + at, cancel));
      // After an error no part may still write to the target.
      const ended = await Promise.allSettled(parts);
      const failed = ended.find((part) => part.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    async close() {
      // Nobody waits for a server that may hang: with the link all is closed.
      if (process.alive) void process.call({ op: 'close', file }).catch(() => undefined);
    },
  };
}
