import { Text } from 'ink';
import { shownKey } from '../keyboard.ts';
import { type KeyBinding, useKeys } from '../screen.ts';
import { wrap } from './fit-text.ts';
import { Panel, panelInside } from './panel.tsx';
import { type Tone, useTerminal } from './terminal.ts';

export interface DialogProps {
  readonly title: string;
  readonly text: string;
  readonly width: number;
  /** At most. */
  readonly height: number;
  readonly yes: string;
  readonly no: string;
  readonly tone?: Tone;
  /** More answers, each by its own key. */
  readonly more?: readonly KeyBinding[];
  onYes(): void;
  onNo(): void;
}

/** A question with two answers: `y`, and `n` or Esc. Enter is neither, so that no key pressed before decides. */
export function Dialog({
  title,
  text,
  width,
  height,
  yes,
  no,
  tone = 'warn',
  more = [],
  onYes,
  onNo,
}: DialogProps) {
  const { styles } = useTerminal();
  useKeys(
    [
      { key: ['y', 'Y'], shown: 'y', label: yes, run: onYes },
      { key: ['n', 'N', 'esc'], shown: 'n', label: no, run: onNo },
      ...more,
    ],
    { level: 'dialog' },
  );
  const lines = wrap(text, panelInside(width, height).columns);
  const room = Math.max(1, height - 4);
  return (
    <Panel title={title} width={width} height={Math.min(height, lines.length + 4)} tone={tone}>
      {lines.slice(0, room).map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
        <Text key={i} wrap="truncate">
          {line === '' ? ' ' : line}
        </Text>
      ))}
      <Text> </Text>
      <Text wrap="truncate">
        <Text {...styles.title}>[y]</Text>
        {` ${yes}   `}
        <Text {...styles.title}>[n]</Text>
        {` ${no}`}
        {more.map((binding) => (
          <Text key={shownKey(binding)}>
            {'   '}
            <Text {...styles.title}>{`[${shownKey(binding)}]`}</Text>
            {` ${binding.label}`}
          </Text>
        ))}
      </Text>
    </Panel>
  );
}
