/** Which keys the foot has room for: pure. */
import type { KeyBinding } from '../keyboard.ts';
import { shownKey } from '../keyboard.ts';
import { widthOf } from './fit-text.ts';

export interface FootKey {
  readonly key: string;
  readonly label: string;
  readonly disabled: boolean;
}

const gap = 2;
const widthOfKey = (key: FootKey): number =>
  widthOf(key.key) + 1 + widthOf(key.label) + (key.disabled ? 2 : 0);

/** The keys in their order as far as they fit; those marked `last` always have their place at the end. */
export function footKeys(
  bindings: readonly KeyBinding[],
  last: readonly KeyBinding[],
  width: number,
): FootKey[] {
  const toKey = (binding: KeyBinding): FootKey => ({
    key: shownKey(binding),
    label: binding.label,
    disabled: binding.reason !== undefined,
  });
  const tail = last.map(toKey);
  let left = width - tail.reduce((sum, key) => sum + widthOfKey(key) + gap, 0);
  const head: FootKey[] = [];
  for (const key of bindings.filter((b) => b.quiet !== true).map(toKey)) {
    left -= widthOfKey(key) + gap;
    if (left < -gap) break;
    head.push(key);
  }
  return [...head, ...tail];
}
