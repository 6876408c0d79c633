import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { fitTo, truncate, widthOf } from './fit-text.ts';
import { type Tone, useTerminal } from './terminal.ts';

export interface PanelProps {
  readonly title?: string;
  readonly width: number;
  readonly height: number;
  /** Brighter border: this part of the screen has the keys. */
  readonly focused?: boolean;
  readonly tone?: Tone;
  readonly children?: ReactNode;
}

/** Cells inside a panel: two borders and a space at each side. */
export const panelInside = (width: number, height: number) => ({
  columns: Math.max(1, width - 4),
  rows: Math.max(1, height - 2),
});

/** A box with its title in the upper border. What it holds must fit `panelInside`. */
export function Panel({ title = '', width, height, focused = false, tone, children }: PanelProps) {
  const { glyphs, styles } = useTerminal();
  const style = tone === undefined ? (focused ? styles.accent : styles.dim) : styles[tone];
  const name =
    title === '' ? '' : truncate(` ${focused ? `${glyphs.cursor} ` : ''}${title} `, width - 4, glyphs);
  const [left, right] = glyphs.border === 'single' ? ['┌', '┐'] : ['+', '+'];
  const lines = glyphs.line.repeat(Math.max(0, width - 3 - widthOf(name)));
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      <Text wrap="truncate">
        <Text {...style}>{left + glyphs.line}</Text>
        <Text {...styles.title}>{name}</Text>
        <Text {...style}>{lines + right}</Text>
      </Text>
      <Box
        borderStyle={glyphs.border}
        borderTop={false}
        {...(style.color === undefined ? {} : { borderColor: style.color })}
        borderDimColor={style.dimColor ?? false}
        width={width}
        height={Math.max(1, height - 1)}
        paddingX={1}
        flexDirection="column"
        overflow="hidden"
      >
        {children}
      </Box>
    </Box>
  );
}

/** A name and its value, the value cut at the end of the line. */
export function Fact({ label, value, width, labelWidth = 12, tone = 'plain' }: FactProps) {
  const { glyphs, styles } = useTerminal();
  return (
    <Text wrap="truncate">
      <Text {...styles.dim}>{fitTo(label, Math.min(labelWidth, width), glyphs)} </Text>
      <Text {...styles[tone]}>
        {truncate(value, width - labelWidth - 1, { ellipsis: glyphs.ellipsis, cut: 'middle' })}
      </Text>
    </Text>
  );
}
export interface FactProps {
  readonly label: string;
  readonly value: string;
  readonly width: number;
  readonly labelWidth?: number;
  readonly tone?: Tone;
}
