/** Which names of files are offered as disk images. */
import { posix } from 'node:path';
import { partName, splitPartName } from '../io/part-names.ts';
import { splitWrapperName, withoutWrappers } from '../io/wrappers/wrapper.ts';

/**
 * Also an image that is packed as a whole (`disk.raw.gz`), or the first part of one that was cut (`disk.raw.001`);
 * a package that is packed can't be read. `extensions`: no dot, small letters.
 */
export function isImageName(
  name: string,
  extensions: ReadonlySet<string>,
  beside: ReadonlySet<string>,
): boolean {
  const { inner: whole, part } = splitPartName(name);
  if (part !== undefined && !(part === 0 || (part === 1 && !beside.has(partName(whole, 0))))) return false;
  const { inner, wrapper } = splitWrapperName(whole);
  const extension = extensionOf(withoutWrappers(inner));
  return (
    extensions.has(extension) &&
    ((wrapper === undefined && part === undefined) || !/^ov[af]$/.test(extension))
  );
}

export const extensionOf = (path: string): string => posix.extname(path).slice(1).toLowerCase();
