/** A delivery whose files are cut into parts for a medium that travels, each with a list of its parts beside. */

import type { Delivery } from '../../env-plugins/plugin.ts';
import { deliverText } from '../../env-plugins/small-files.ts';
import { partName } from '../../io/part-names.ts';
import { listName, type PartList, partListText } from '../../io/parts/part-list.ts';
import { refuseTooMany, splitSink } from '../../io/parts/split-sink.ts';
import type { Plan } from '../../model/plan.ts';

/** The delivery as the plan has it. */
export function splitFor({ destination: { splitBytes } }: Plan, inner: Delivery): Delivery {
  return splitBytes === undefined ? inner : splitDelivery(inner, splitBytes);
}

/** Every file that may come of one of these names: a part, the list, or the file itself where it is small. */
export const splitNames = (names: readonly string[]): string[] =>
  names.flatMap((name) => [name, partName(name, 1), listName(name)]);

/** A file that is known to be no larger than a part stays one. */
export function splitDelivery(inner: Delivery, partBytes: number): Delivery {
  const lists: PartList[] = [];
  // What was moved there would be whole, and nobody goes on in the middle of a part.
  const { adopt: _adopt, suspend: _suspend, ...rest } = inner;
  return {
    ...rest,
    async sink(file) {
      const { size } = file;
      if (size !== undefined && size <= partBytes) return inner.sink(file);
      if (size !== undefined) refuseTooMany(file.name, size, partBytes);
      return splitSink({
        name: file.name,
        partBytes,
        forward: file.forward === true,
        open: (name) => inner.sink({ name }),
        done: (list) => void lists.push(list),
      });
    },
    async commit() {
      for (const list of lists.splice(0)) {
        await deliverText(inner, listName(list.name), partListText(list));
      }
      return inner.commit();
    },
  };
}
