/** Packages that were cut into parts for a medium: seen as one file, where their list is there. */
import type { ByteSource } from '../io/byte-source.ts';
import { splitPartName } from '../io/part-names.ts';
import { type JoinedByList, joinByList, type PartFile } from '../io/parts/join-list.ts';
import { isListName, listName, withoutListName } from '../io/parts/part-list.ts';
import { AppError } from '../model/errors.ts';
import type { PackagePlace } from './package-file.ts';

/** The name of the file that the parts are: `m.ova` for `m.ova.001` and for `m.ova.parts`. */
export const wholeName = (path: string): string =>
  isListName(path) ? withoutListName(path) : splitPartName(path).inner;

export interface PartsPlace extends PackagePlace {
  /** All parts that were opened against their list. @throws AppError `corrupt`, naming the part. */
  verify(signal: AbortSignal): Promise<void>;
}

/** The place with the file at `path`, a part or the list, as the whole. Nothing is hashed elsewhere then. */
export function placeOfParts(path: string, { digest: _where, ...place }: PackagePlace): PartsPlace {
  const opened: JoinedByList[] = [];
  const beside = (signal: AbortSignal) => {
    const at = async (name: string): Promise<PartFile> => {
      const file = place.paths.join(place.paths.dirname(path), place.paths.basename(name));
      const outside = await place.leadsOut(place.paths.dirname(path), file, signal).catch(() => false);
      return { source: await place.open(file, signal), outside, sibling: at };
    };
    return at;
  };
  return {
    ...place,
    async open(file, signal) {
      if (file !== path) return place.open(file, signal);
      const first = await beside(signal)(path);
      const joined = await orClosed(first.source, () =>
        joinByList(first, place.paths.basename(wholeName(path)), { follow: false, signal }),
      );
      opened.push(joined);
      return joined.source;
    },
    async verify(signal) {
      for (const joined of opened) await joined.verify(signal);
    },
  };
}

async function orClosed(
  source: ByteSource,
  join: () => Promise<JoinedByList | undefined>,
): Promise<JoinedByList> {
  try {
    const joined = await join();
    if (joined !== undefined) return joined;
    throw new AppError('unsupported', 'a part of a package, and no list of its parts', {
      where: source.name,
      hint: `put ${listName(wholeName(source.name))} beside it, or join the parts first, as with cat`,
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}
