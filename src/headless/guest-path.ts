/** `IMAGE:/path` on a command line: where the image's name ends and the path in the guest begins. */
import { stat } from 'node:fs/promises';
import { AppError } from '../model/errors.ts';

export interface GuestPath {
  readonly image: string;
  /** Absolute. */
  readonly path: string;
}

/** An image's own path may have `:/` in it: the first that is there counts. @throws AppError `usage`. */
export async function guestPath(text: string, isThere = exists): Promise<GuestPath> {
  const splits: GuestPath[] = [];
  for (let at = text.indexOf(':/'); at >= 0; at = text.indexOf(':/', at + 1))
    if (at > 0) splits.push({ image: text.slice(0, at), path: text.slice(at + 1) });
  for (const split of splits) if (await isThere(split.image)) return split;
  const [first] = splits;
  if (first !== undefined) return first;
  throw new AppError('usage', `"${text}" names no path in a guest`, {
    hint: 'write the image, a colon and an absolute path: disk.qcow2:/etc/fstab',
  });
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
