/** A new file on a share. What is left out stays zeros: the server sees to that. */
import type { ByteSink } from '../byte-source.ts';
import { smbUrl } from './share-path.ts';
import { checked, type SmbLink } from './smb-link.ts';
import { pieceBytes } from './smb-source.ts';

/** A cancel is not to take longer. */
const patienceMs = 800;

/** @throws AppError `conflict`, `auth`, `not-found`, `unreachable`. */
export async function smbSink(
  link: SmbLink,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ByteSink> {
  const process = await link.process();
  const url = smbUrl(path);
  const { header } = await checked(process, { op: 'open', url, create: 1 }, path, { signal });
  const file = Number(header.file);
  // The first failure is told to everybody: what was to lie behind it is of no use.
  let failed: unknown;
  const put = async (bytes: Uint8Array, offset: number, cancel: AbortSignal | undefined) => {
    if (failed !== undefined) throw failed;
    const options = { bytes, ...(cancel === undefined ? {} : { signal: cancel }) };
    await checked(process, { op: 'write', file, offset }, path, options).catch((error) => {
      failed ??= error;
      throw error;
    });
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
      await checked(process, { op: 'truncate', file, size }, path, {});
      await checked(process, { op: 'close', file }, path, {});
      if (modifiedAt !== undefined)
        await checked(process, { op: 'setTime', url, seconds: modifiedAt }, path, {});
    },
    async abort() {
      let timer: NodeJS.Timeout | undefined;
      const closed = process.call({ op: 'close', file }).catch(() => undefined);
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(resolve, patienceMs, 'late');
      });
      // A file that is open can't be removed there: without the connection it is not.
      if ((await Promise.race([closed, late])) === 'late') process.end();
      clearTimeout(timer);
    },
  };
}
