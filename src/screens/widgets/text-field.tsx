import { Text } from 'ink';
import { type KeyBinding, useKeys } from '../screen.ts';
import { clean, truncate } from './fit-text.ts';
import { useTerminal } from './terminal.ts';
import { editLine, type TextEdit, type TextLine, windowOf } from './text-line.ts';

export interface TextFieldProps {
  readonly line: TextLine;
  readonly width: number;
  readonly focused: boolean;
  readonly secret?: boolean;
  /** Shown while the field is empty. */
  readonly placeholder?: string;
}

/** Draws one line being edited. Where there is no colour the cursor is an underscore before the character. */
export function TextField({ line, width, focused, secret = false, placeholder = '' }: TextFieldProps) {
  const { glyphs, styles, colour } = useTerminal();
  const text = secret ? glyphs.mask.repeat([...line.value].length) : clean(line.value);
  if (!focused) {
    return (
      <Text {...(text === '' ? styles.dim : {})} wrap="truncate">
        {truncate(text === '' ? placeholder : text, width, glyphs)}
      </Text>
    );
  }
  const seen = windowOf({ value: text, cursor: line.cursor }, colour ? width : width - 1);
  const hint = text === '' ? truncate(placeholder, width - 2, glyphs) : '';
  return (
    <Text wrap="truncate">
      {seen.before}
      {colour ? <Text inverse>{seen.at}</Text> : `_${seen.at.trimEnd()}`}
      {seen.after}
      <Text {...styles.dim}>{hint}</Text>
    </Text>
  );
}

/** The keys that edit a line. */
export function textKeys(edit: (edit: TextEdit) => void): KeyBinding[] {
  const bind = (
    key: string | string[],
    type: Exclude<TextEdit['type'], 'insert'>,
    label: string,
  ): KeyBinding => ({
    key,
    label,
    quiet: true,
    run: () => edit({ type }),
  });
  return [
    bind(['backspace', 'ctrl+h'], 'backspace', 'delete the character before'),
    bind('ctrl+w', 'delete-word', 'delete the word before'),
    bind('ctrl+u', 'clear', 'delete all before'),
    bind(['left', 'ctrl+b'], 'left', 'left'),
    bind(['right', 'ctrl+f'], 'right', 'right'),
    bind(['home', 'ctrl+a'], 'home', 'to the start'),
    bind(['end', 'ctrl+e'], 'end', 'to the end'),
  ];
}

export interface TextEntryOptions {
  readonly active: boolean;
  readonly onEdit: (change: (line: TextLine) => TextLine) => void;
  readonly onSubmit: () => void;
  readonly onCancel: () => void;
  readonly submitLabel?: string;
}

/** Keys of a single field outside a form, such as a path typed by hand. */
export function useTextEntry({
  active,
  onEdit,
  onSubmit,
  onCancel,
  submitLabel = 'take it',
}: TextEntryOptions): void {
  const edit = (change: TextEdit) => onEdit((line) => editLine(line, change));
  useKeys(
    [
      { key: 'enter', label: submitLabel, run: onSubmit },
      { key: 'esc', label: 'cancel', run: onCancel },
      ...textKeys(edit),
    ],
    { level: 'entry', active, onText: (text) => edit({ type: 'insert', text }) },
  );
}
