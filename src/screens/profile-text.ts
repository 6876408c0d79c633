/** A profile in a line: what tells it apart from others. Pure. */
import type { Field } from '../model/field.ts';

/** Neither what is as usual nor a bare yes or no; never a secret, those are not in the state. */
export const tellingSettings = (
  fields: readonly Field[],
  settings: Readonly<Record<string, string>>,
): string[] =>
  fields.flatMap(({ key, kind, default: usual }) => {
    const value = settings[key] ?? '';
    return value === '' || value === usual || kind === 'boolean' ? [] : [value];
  });
