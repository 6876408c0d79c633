/** A field of the configuration, as data: what it shows, and the command that a new value makes. Pure. */
import { AppError } from '../../model/errors.ts';
import type { Command } from '../../state/commands.ts';
import type { ChoiceItem } from '../widgets/choice-dialog.tsx';

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** The wish to send, or what is wrong with the value. */
export type Applied = { readonly command: Command } | { readonly error: string };

interface FieldBase {
  readonly key: string;
  readonly group: string;
  readonly label: string;
  readonly help: string;
  /** As it is shown when not being edited. */
  readonly shown: string;
  /** It differs from what would be taken by itself. */
  readonly changed: boolean;
  /** Why it can't be changed now. */
  readonly reason?: string;
  apply(value: string): Applied;
}

export type ConfigField = FieldBase &
  (
    | { readonly kind: 'text' /** What the entry starts with. */; readonly text: string }
    | { readonly kind: 'choice'; readonly value: string; readonly choices: readonly Choice[] }
    /** Chosen from a list, for what shouldn't be done in passing. */
    | { readonly kind: 'pick'; readonly value: string; readonly choices: readonly ChoiceItem[] }
    | { readonly kind: 'start' }
    /** More fields follow when it is opened. */
    | { readonly kind: 'fold' }
  );

export const yesNo: readonly Choice[] = [
  { value: 'yes', label: 'yes' },
  { value: 'no', label: 'no' },
];

/** The value `step` places on, around the end. */
export function turned(choices: readonly Choice[], value: string, step: 1 | -1): string {
  const at = choices.findIndex((c) => c.value === value);
  return choices[(at + step + choices.length) % choices.length]?.value ?? value;
}

export const labelOf = (choices: readonly Choice[], value: string): string =>
  choices.find((c) => c.value === value)?.label ?? value;

/** What `make` gives, or the message of the usage error that it throws. */
export function tryApply(make: () => Command): Applied {
  try {
    return { command: make() };
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'usage') throw error;
    return { error: error.hint === undefined ? error.message : `${error.message}: ${error.hint}` };
  }
}
