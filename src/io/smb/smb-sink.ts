/** A new file on a share. What is left out stays zeros: the server sees to that. */

import type { ByteSink } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import { changed, Reopened } from '../retrying.ts';
import type { SmbProcess } from './child-process.ts';
import { smbUrl } from './share-path.ts';
import { fileOf } from './smb-files.ts';
import { checked, type SmbLink } from './smb-link.ts';
import { pieceBytes } from './smb-source.ts';

/** A cancel is not to take longer. */
const patienceMs = 800;

interface Opened {
  readonly process: SmbProcess;
  readonly file: number;
}

/** What a cut connection did not acknowledge is written again. @throws AppError `conflict`, `auth`, `not-found`, `unreachable`. */
export async function smbSink(
  link: SmbLink,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ByteSink> {
  const url = smbUrl(path);
  const open = async (how: { create: 1 } | { write: 1 }, until: AbortSignal | undefined): Promise<Opened> => {
    const process = await link.process();
    const { header } = await checked(process, { op: 'open', url, ...how }, path, { signal: until });
    return { process, file: Number(header.file) };
  };
  /** The end of what the server has told that it has. */
  let taken = 0;
  const held = new Reopened<Opened>(await open({ create: 1 }, signal), link.tries(path), {
    async open(until) {
      const again = await open({ write: 1 }, until);
      const { header } = await checked(again.process, { op: 'stat', url }, path, { signal: until });
      if (fileOf(path, header).size >= taken) return again;
      await closed(again);
      throw changed(path);
    },
    letGo: async () => undefined, // with its process
  });
  // The first failure is told to everybody: what was to lie behind it is of no use.
  let failed: unknown;
  const put = async (bytes: Uint8Array, offset: number, cancel: AbortSignal | undefined) => {
    if (failed !== undefined) throw failed;
    throwIfAborted(cancel);
    const options = { bytes, ...(cancel === undefined ? {} : { signal: cancel }) };
    const write = ({ process, file }: Opened) =>
      checked(process, { op: 'write', file, offset }, path, options);
    await held.using(cancel, write).catch((error) => {
      failed ??= error;
      throw error;
    });
    taken = Math.max(taken, offset + bytes.length);
  };
  return {
    name: path,
    access: 'random',
    async write(bytes, offset, cancel) {
      for (let at = 0; at < bytes.length; at += pieceBytes)
        await put(bytes.subarray(at, at + pieceBytes), offset + at, cancel);
    },
    async finish(size, modifiedAt) {
      if (failed !== undefined) throw failed;
      await held.using(signal, async ({ process, file }) => {
        await checked(process, { op: 'truncate', file, size }, path, {});
        await checked(process, { op: 'close', file }, path, {});
        if (modifiedAt !== undefined)
          await checked(process, { op: 'setTime', url, seconds: modifiedAt }, path, {});
      });
      await held.end();
    },
    async abort() {
      const now = await held.end();
      if (now !== undefined) await closed(now);
    },
  };
}

async function closed({ process, file }: Opened): Promise<void> {
  if (!process.alive) return;
  let timer: NodeJS.Timeout | undefined;
  const done = process.call({ op: 'close', file }).catch(() => undefined);
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, patienceMs, 'late');
  });
  // A file that is open can't be removed there: without the connection it is not.
  if ((await Promise.race([done, late])) === 'late') process.end();
  clearTimeout(timer);
}
