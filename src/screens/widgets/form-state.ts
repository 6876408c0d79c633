/** A form as data, and what keys do to it: pure. Values are text; a boolean is `yes` or `no`. */
import { editLine, lineOf, type TextEdit, type TextLine } from './text-line.ts';

export interface FormField {
  readonly key: string;
  readonly label: string;
  /** One line under the form while the field has the focus. */
  readonly help?: string;
  readonly kind: 'text' | 'secret' | 'number' | 'choice' | 'boolean' | 'folder' | 'folders';
  readonly required?: boolean;
  readonly value?: string;
  readonly placeholder?: string;
  readonly choices?: readonly { readonly value: string; readonly label: string }[];
  /** What is wrong with the value, if anything. */
  validate?(value: string, values: Values): string | undefined;
}
export type Values = Readonly<Record<string, string>>;

export interface FormState {
  readonly focus: number;
  readonly lines: Readonly<Record<string, TextLine>>;
  /** By field; filled when the form is sent, and kept true from then on. */
  readonly errors: Values;
  readonly sent: boolean;
}

export type FormAction =
  | { readonly type: 'focus'; readonly step: 1 | -1 }
  | { readonly type: 'edit'; readonly edit: TextEdit }
  | { readonly type: 'send' };

export const booleanChoices = [
  { value: 'yes', label: 'yes' },
  { value: 'no', label: 'no' },
] as const;

export const choicesOf = (field: FormField): FormField['choices'] =>
  field.kind === 'boolean' ? booleanChoices : field.kind === 'choice' ? (field.choices ?? []) : undefined;

export function formOf(fields: readonly FormField[]): FormState {
  const lines = fields.map((field) => [field.key, lineOf(field.value ?? firstValue(field))] as const);
  return { focus: 0, lines: Object.fromEntries(lines), errors: {}, sent: false };
}

const firstValue = (field: FormField): string =>
  field.kind === 'boolean' ? 'no' : (choicesOf(field)?.[0]?.value ?? '');

export const valuesOf = (state: FormState): Values =>
  Object.fromEntries(Object.entries(state.lines).map(([key, line]) => [key, line.value]));

export function validate(fields: readonly FormField[], values: Values): Values {
  const errors = fields.flatMap((field) => {
    const value = values[field.key] ?? '';
    const wrong = wrongWith(field, value) ?? field.validate?.(value, values);
    return wrong === undefined ? [] : [[field.key, wrong] as const];
  });
  return Object.fromEntries(errors);
}

function wrongWith(field: FormField, value: string): string | undefined {
  if (value.trim() === '') return field.required === true ? `${field.label} is needed` : undefined;
  if (field.kind === 'number' && !/^-?\d+(\.\d+)?$/.test(value.trim())) return 'a number is needed';
  return undefined;
}

export function reduceForm(state: FormState, action: FormAction, fields: readonly FormField[]): FormState {
  switch (action.type) {
    case 'focus':
      return { ...state, focus: (state.focus + action.step + fields.length) % Math.max(1, fields.length) };
    case 'edit': {
      const field = fields[state.focus];
      if (field === undefined) return state;
      const now = state.lines[field.key] ?? lineOf('');
      const lines = { ...state.lines, [field.key]: editField(field, now, action.edit) };
      const next = { ...state, lines };
      return state.sent ? { ...next, errors: validate(fields, valuesOf(next)) } : next;
    }
    case 'send': {
      const errors = validate(fields, valuesOf(state));
      const wrong = fields.findIndex((field) => errors[field.key] !== undefined);
      return { ...state, sent: true, errors, focus: wrong < 0 ? state.focus : wrong };
    }
  }
}

/** In a choice, left and right and space turn; a letter goes to the next choice that starts with it. */
function editField(field: FormField, line: TextLine, edit: TextEdit): TextLine {
  const choices = choicesOf(field);
  if (choices === undefined) return editLine(line, edit);
  const at = Math.max(
    0,
    choices.findIndex((c) => c.value === line.value),
  );
  const pick = (index: number) =>
    lineOf(choices[(index + choices.length) % Math.max(1, choices.length)]?.value ?? '');
  switch (edit.type) {
    case 'left':
      return pick(at - 1);
    case 'right':
      return pick(at + 1);
    case 'home':
      return pick(0);
    case 'end':
      return pick(choices.length - 1);
    case 'insert': {
      if (edit.text === ' ') return pick(at + 1);
      const turned = choices.map((_, i) => (at + 1 + i) % choices.length);
      const found = turned.find((i) => choices[i]?.label.toLowerCase().startsWith(edit.text.toLowerCase()));
      return found === undefined ? line : pick(found);
    }
    default:
      return line;
  }
}

/** Index of the first field drawn, so that the focused one is seen in `room` lines. */
export const firstDrawn = (focus: number, count: number, room: number): number =>
  Math.max(0, Math.min(focus - Math.floor(room / 2), count - room));
