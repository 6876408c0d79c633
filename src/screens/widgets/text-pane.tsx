import { Box, Text } from 'ink';
import { useMemo } from 'react';
import { type KeyLevel, useKeys, useRemembered } from '../screen.ts';
import { fitTo } from './fit-text.ts';
import { type Move, scrollBar } from './scroll-list-view.ts';
import { useTerminal } from './terminal.ts';
import { type PaneLine, paneLines, paneMoved, paneTop } from './text-pane-view.ts';

export interface TextPaneProps {
  /** Names the pane, so that its place outlives a visit to another screen. */
  readonly name: string;
  readonly lines: readonly (PaneLine | string)[];
  readonly width: number;
  readonly height: number;
  /** Stays at the end while lines arrive, as a log does. */
  readonly follow?: boolean;
  readonly active?: boolean;
  /** Within a dialog: `dialog`. */
  readonly level?: KeyLevel;
}

/** Text that wraps and scrolls, with a bar at the right when there is more. */
export function TextPane(props: TextPaneProps) {
  const { name, lines, width, height, follow = false, active = true, level = 'list' } = props;
  const { glyphs, styles } = useTerminal();
  const [top, setTop] = useRemembered<number | undefined>(`pane:${name}`, follow ? undefined : 0);
  const wrapped = useMemo(() => paneLines(lines, Math.max(1, width - 2)), [lines, width]);
  const from = paneTop(top, wrapped.length, height);
  const go = (move: Move) => () => setTop((now) => paneMoved(now, wrapped.length, height, move, follow));
  useKeys(
    [
      { key: 'up', label: 'a line up', quiet: true, run: go('up') },
      { key: 'down', label: 'a line down', quiet: true, run: go('down') },
      { key: 'pageup', label: 'a page up', quiet: true, run: go('pageup') },
      { key: ['pagedown', 'space'], shown: 'PgDn', label: 'a page down', quiet: true, run: go('pagedown') },
      { key: 'home', label: 'to the start', quiet: true, run: go('home') },
      { key: 'end', label: 'to the end', quiet: true, run: go('end') },
    ],
    { level, active },
  );
  const bar = scrollBar(from, height, wrapped.length);
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      {wrapped.slice(from, from + height).map((line, i) => {
        const slot = bar === undefined ? '' : i >= bar.from && i < bar.to ? glyphs.barFull : glyphs.separator;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
          <Text key={i} wrap="truncate">
            <Text {...styles[line.tone ?? 'plain']}>{fitTo(line.text, width - 2, glyphs)}</Text>
            <Text {...styles.dim}>{slot === '' ? '' : ` ${slot}`}</Text>
          </Text>
        );
      })}
    </Box>
  );
}
