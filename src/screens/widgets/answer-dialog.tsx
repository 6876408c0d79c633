/** A question with a line as its answer. What is typed is kept here alone, until it is sent. */
import { Text } from 'ink';
import { useRef, useState } from 'react';
import { useKeys } from '../screen.ts';
import { wrap } from './fit-text.ts';
import { Panel, panelInside } from './panel.tsx';
import { useTerminal } from './terminal.ts';
import { TextField, textKeys } from './text-field.tsx';
import { editLine, lineOf, type TextEdit } from './text-line.ts';

export interface AnswerDialogProps {
  readonly title: string;
  readonly text: string;
  /** A secret: a mark is drawn for each character. */
  readonly hidden: boolean;
  readonly width: number;
  /** At most. */
  readonly height: number;
  onAnswer(line: string): void;
  onRefuse(): void;
}

/** Borders, the line, and a row above it. */
const otherRows = 4;

export function AnswerDialog({ title, text, hidden, width, height, onAnswer, onRefuse }: AnswerDialogProps) {
  const { glyphs, styles } = useTerminal();
  const [line, setLine] = useState(() => lineOf(''));
  // Keys of one chunk come before the next drawing.
  const latest = useRef(line);
  const edit = (change: TextEdit) => {
    latest.current = editLine(latest.current, change);
    setLine(latest.current);
  };
  useKeys(
    [
      { key: 'enter', label: 'answer', run: () => onAnswer(latest.current.value) },
      { key: 'esc', label: 'give no answer', run: onRefuse },
      ...textKeys(edit),
    ],
    { level: 'dialog', onText: (typed) => edit({ type: 'insert', text: typed }) },
  );
  const inside = panelInside(width, height);
  const lines = wrap(text, inside.columns).slice(0, Math.max(1, height - otherRows));
  return (
    <Panel title={title} width={width} height={Math.min(height, lines.length + otherRows)} tone="warn">
      {lines.map((part, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
        <Text key={i} wrap="truncate">
          {part === '' ? ' ' : part}
        </Text>
      ))}
      <Text> </Text>
      <Text wrap="truncate">
        <Text {...styles.accent}>{`${glyphs.cursor} `}</Text>
        <TextField line={line} width={inside.columns - 2} focused secret={hidden} />
      </Text>
    </Panel>
  );
}
