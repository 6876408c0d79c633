import { Box, Text } from 'ink';
import SelectInput from 'ink-select-input';
import { useRef, useState } from 'react';
import { type KeyBinding, useKeys } from '../screen.ts';
import { truncate, wrap } from './fit-text.ts';
import { firstDrawn } from './form-state.ts';
import { Panel, panelInside } from './panel.tsx';
import { type Move, moved } from './scroll-list-view.ts';
import { useTerminal } from './terminal.ts';

export interface ChoiceItem {
  readonly value: string;
  readonly label: string;
  /** What is said of it below while it is under the cursor. */
  readonly help?: string;
}

export interface ChoiceDialogProps {
  readonly title: string;
  readonly items: readonly ChoiceItem[];
  /** Under the cursor at first; absent: the first one. */
  readonly value?: string | undefined;
  readonly intro?: readonly string[];
  readonly submitLabel?: string;
  readonly width: number;
  /** At most. */
  readonly height: number;
  onChoose(value: string): void;
  onCancel(): void;
}

/**
 * One of several. Its keys come through our keyboard and not through ink-select-input's own listener, which would
 * hear them before the layers are asked and let each also reach the screen below; so the list only draws.
 */
export function ChoiceDialog(props: ChoiceDialogProps) {
  const { title, items, width, intro = [], submitLabel = 'choose', onChoose, onCancel } = props;
  const { glyphs, styles } = useTerminal();
  const first = Math.max(
    0,
    items.findIndex((item) => item.value === props.value),
  );
  const [at, setAt] = useState(first);
  const latest = useRef(at);
  const to = (index: number) => {
    latest.current = index;
    setAt(index);
  };
  const go = (move: Move) => () => to(moved(latest.current, items.length, 5, move));
  const choose = () => {
    const item = items[latest.current];
    if (item !== undefined) onChoose(item.value);
  };
  const quiet = (key: string | string[], label: string, run: () => void): KeyBinding => ({
    key,
    label,
    quiet: true,
    run,
  });
  useKeys(
    [
      { key: ['up', 'ctrl+p'], shown: glyphs.upDown, label: 'move', run: go('up') },
      quiet(['down', 'ctrl+n'], 'down', go('down')),
      { key: 'enter', label: submitLabel, run: choose },
      { key: 'esc', label: 'cancel', run: onCancel },
      quiet('pageup', 'a page up', go('pageup')),
      quiet('pagedown', 'a page down', go('pagedown')),
      quiet('home', 'to the first', go('home')),
      quiet('end', 'to the last', go('end')),
    ],
    {
      level: 'dialog',
      onText: (text) => to([...text].reduce((now, letter) => byLetter(items, now, letter), latest.current)),
    },
  );

  const inside = panelInside(width, props.height);
  const introLines = intro.flatMap((line) => wrap(line, inside.columns));
  const helpRows = Math.max(0, ...items.map((item) => wrap(item.help ?? '', inside.columns).length));
  const room = Math.max(1, inside.rows - introLines.length - helpRows - 1);
  const from = firstDrawn(at, items.length, room);
  const drawn = items.slice(from, from + room);
  return (
    <Panel
      title={title}
      width={width}
      height={Math.min(props.height, introLines.length + drawn.length + helpRows + 3)}
      focused
    >
      {introLines.map((line) => (
        <Text key={line} wrap="truncate">
          {line}
        </Text>
      ))}
      {/* The list keeps its own index after the first drawing: made anew, it has ours. */}
      <SelectInput
        key={at}
        items={drawn.map(({ value, label }) => ({
          value,
          label: truncate(label, inside.columns - 2, glyphs),
        }))}
        initialIndex={at - from}
        isFocused={false}
        indicatorComponent={Indicator}
        itemComponent={Item}
      />
      <Box flexDirection="column" marginTop={1}>
        {wrap(items[at]?.help ?? '', inside.columns).map((line) => (
          <Text key={line} {...styles.dim} wrap="truncate">
            {line}
          </Text>
        ))}
      </Box>
    </Panel>
  );
}

/** The next one that starts with the letter, or the one with the number. */
export function byLetter(items: readonly ChoiceItem[], at: number, text: string): number {
  if (/^[1-9]$/.test(text) && Number(text) <= items.length) return Number(text) - 1;
  const turned = items.map((_, i) => (at + 1 + i) % items.length);
  return turned.find((i) => items[i]?.label.toLowerCase().startsWith(text.toLowerCase())) ?? at;
}

function Indicator({ isSelected = false }: { readonly isSelected?: boolean }) {
  const { glyphs, styles } = useTerminal();
  return <Text {...(isSelected ? styles.selected : {})}>{isSelected ? `${glyphs.cursor} ` : '  '}</Text>;
}

function Item({ isSelected = false, label }: { readonly isSelected?: boolean; readonly label: string }) {
  const { styles } = useTerminal();
  return (
    <Text {...(isSelected ? styles.selected : {})} wrap="truncate">
      {label}
    </Text>
  );
}
