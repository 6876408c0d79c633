import { Box, Text } from 'ink';
import { useRef, useState } from 'react';
import { useKeys } from '../screen.ts';
import { fitTo, truncate, widthOf, wrap } from './fit-text.ts';
import {
  choicesOf,
  type FormAction,
  type FormField,
  firstDrawn,
  formOf,
  reduceForm,
  type Values,
  valuesOf,
} from './form-state.ts';
import { Panel, panelInside } from './panel.tsx';
import { useTerminal } from './terminal.ts';
import { TextField, textKeys } from './text-field.tsx';

export type { FormField, Values } from './form-state.ts';

export interface FormProps {
  readonly title: string;
  readonly fields: readonly FormField[];
  readonly width: number;
  /** At most; a short form is drawn shorter. */
  readonly height: number;
  /** Lines above the fields. */
  readonly intro?: readonly string[];
  readonly submitLabel?: string;
  /** Key of the field to begin with; the first one otherwise. */
  readonly first?: string | undefined;
  onSubmit(values: Values): void;
  onCancel(): void;
}

/** A form in a panel. While it is mounted it has all keys. What is typed is kept here alone until it is sent. */
export function Form(props: FormProps) {
  const { title, fields, width, intro = [], submitLabel = 'save', onSubmit, onCancel } = props;
  const { glyphs, styles } = useTerminal();
  const [state, setState] = useState(() => {
    const form = formOf(fields);
    return {
      ...form,
      focus: Math.max(
        0,
        fields.findIndex((field) => field.key === props.first),
      ),
    };
  });
  const latest = useRef(state);
  const act = (action: FormAction) => {
    latest.current = reduceForm(latest.current, action, fields);
    setState(latest.current);
  };
  const send = () => {
    act({ type: 'send' });
    if (Object.keys(latest.current.errors).length === 0) onSubmit(valuesOf(latest.current));
  };
  useKeys(
    [
      { key: 'enter', label: submitLabel, run: send },
      { key: ['tab', 'down'], shown: 'Tab', label: 'next field', run: () => act({ type: 'focus', step: 1 }) },
      {
        key: ['shift+tab', 'up'],
        shown: 'Shift+Tab',
        label: 'field before',
        quiet: fields.length < 3,
        run: () => act({ type: 'focus', step: -1 }),
      },
      { key: 'esc', label: 'cancel', run: onCancel },
      ...textKeys((edit) => act({ type: 'edit', edit })),
    ],
    { level: 'entry', onText: (text) => act({ type: 'edit', edit: { type: 'insert', text } }) },
  );

  const inside = panelInside(width, props.height);
  const focused = fields[state.focus];
  const introLines = intro.flatMap((line) => wrap(line, inside.columns));
  const helpLines = wrap(state.errors[focused?.key ?? ''] ?? helpOf(focused), inside.columns).slice(0, 2);
  const room = Math.max(1, inside.rows - introLines.length - 3);
  const from = firstDrawn(state.focus, fields.length, room);
  const drawn = fields.slice(from, from + room);
  const labelWidth = Math.min(24, Math.max(4, ...fields.map((f) => widthOf(f.label) + 2)));
  const wrong = state.errors[focused?.key ?? ''] !== undefined;
  return (
    <Panel
      title={title}
      width={width}
      height={Math.min(props.height, introLines.length + drawn.length + 5)}
      focused
    >
      {introLines.map((line) => (
        <Text key={line} wrap="truncate">
          {line}
        </Text>
      ))}
      {drawn.map((field, i) => {
        const more =
          i === 0 && from > 0 ? glyphs.up : i === room - 1 && from + room < fields.length ? glyphs.down : ' ';
        const here = field.key === focused?.key;
        const error = state.errors[field.key] !== undefined;
        const label = `${field.label}${field.required === true ? ' *' : ''}`;
        return (
          <Text key={field.key} wrap="truncate">
            <Text {...(here ? styles.selected : styles.plain)}>
              {`${here ? glyphs.cursor : error ? '!' : more} ${fitTo(label, labelWidth, glyphs)} `}
            </Text>
            <FieldValue
              field={field}
              line={state.lines[field.key]}
              focused={here}
              width={inside.columns - labelWidth - 3}
            />
          </Text>
        );
      })}
      <Box flexDirection="column" marginTop={1}>
        {helpLines.map((line) => (
          <Text key={line} {...(wrong ? styles.error : styles.dim)} wrap="truncate">
            {wrong ? `! ${line}` : line}
          </Text>
        ))}
      </Box>
    </Panel>
  );
}

const helpOf = (field: FormField | undefined): string =>
  [field?.help, field?.required === true ? '* needed' : undefined]
    .filter((part) => part !== undefined)
    .join('; ');

interface FieldValueProps {
  readonly field: FormField;
  readonly line: { readonly value: string; readonly cursor: number } | undefined;
  readonly focused: boolean;
  readonly width: number;
}

function FieldValue({ field, line = { value: '', cursor: 0 }, focused, width }: FieldValueProps) {
  const { glyphs, styles } = useTerminal();
  const choices = choicesOf(field);
  if (choices === undefined) {
    const placeholder = field.placeholder === undefined ? {} : { placeholder: field.placeholder };
    return (
      <TextField
        line={line}
        width={width}
        focused={focused}
        secret={field.kind === 'secret'}
        {...placeholder}
      />
    );
  }
  const label = choices.find((c) => c.value === line.value)?.label ?? line.value;
  if (!focused) return <Text>{truncate(label, width, glyphs)}</Text>;
  return <Text {...styles.selected}>{truncate(`< ${label} >`, width, glyphs)}</Text>;
}
