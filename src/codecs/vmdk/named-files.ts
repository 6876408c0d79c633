/**
 * The files that a descriptor names. Workstation on Windows and ESXi write paths of their own computer, such as
 * `C:\vms\base.vmdk` or `/vmfs/volumes/5f…/base.vmdk`; a machine is mostly moved as a whole, so what is not there is
 * looked for beside the descriptor.
 */
import { AppError } from '../../model/errors.ts';

/** The names to try; the first one is that of the descriptor. `own` is the file that names it. */
export function placesOf(name: string, own: string): string[] {
  const slashes = name.replaceAll('\\', '/');
  const absolute = /^(?:\/|[A-Za-z]:)/.test(slashes);
  const plain = slashes.split('/').at(-1)!;
  const beside = ['', '.', '..', own.split('/').at(-1)].includes(plain) ? [] : [plain];
  return [...new Set([name, ...(absolute ? [] : [slashes]), ...beside])];
}

/**
 * What `open` gives for the first of the places that is there, and whether it was named so.
 * @throws AppError of the name as it stands where none is there.
 */
export async function firstOf<T>(
  name: string,
  own: string,
  open: (place: string) => Promise<T>,
): Promise<{ found: T; asNamed: boolean }> {
  let missing: unknown;
  for (const place of placesOf(name, own)) {
    try {
      return { found: await open(place), asNamed: place === name };
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
      missing ??= error;
    }
  }
  throw missing;
}
