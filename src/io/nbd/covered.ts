/** Which parts of an answer have arrived: chunks may come in any order, and none may come twice. */

/** Parts that don't touch each other; a server that makes more of them is not sound. */
const mostParts = 4096;

export class Covered {
  /** Ascending, apart from each other. */
  readonly #parts: [from: number, to: number][] = [];

  /** False for a part that overlaps one that was there, and for too many. */
  add(from: number, to: number): boolean {
    const parts = this.#parts;
    let at = parts.length;
    while (at > 0 && parts[at - 1]![0] >= to) at--;
    const before = parts[at - 1];
    if (before !== undefined && before[1] > from) return false;
    const after = parts[at];
    if (before?.[1] === from && after?.[0] === to) {
      before[1] = after[1];
      parts.splice(at, 1);
    } else if (before?.[1] === from) before[1] = to;
    else if (after?.[0] === to) after[0] = from;
    else parts.splice(at, 0, [from, to]);
    return parts.length <= mostParts;
  }

  /** All of [0, length) is there. */
  isWhole(length: number): boolean {
    const [first] = this.#parts;
    return length === 0 || (this.#parts.length === 1 && first![0] === 0 && first![1] === length);
  }
}
