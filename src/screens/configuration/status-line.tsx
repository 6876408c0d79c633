/** How things stand, below the fields: what stops a start is told whole, where a few lines are enough for it. */
import { Text } from 'ink';
import { truncate, wrapWithin } from '../widgets/fit-text.ts';
import { Spinner } from '../widgets/spinner.tsx';
import { type Glyphs, useTerminal } from '../widgets/terminal.ts';
import type { PlanStatus } from './configuration-view.ts';

export interface StatusText {
  readonly status: PlanStatus;
  /** Stands at the end, whatever is cut off. */
  readonly hint: string;
  readonly width: number;
  /** At most. */
  readonly rows: number;
}

/** The lines that are drawn, without the hint. */
export function statusLines(
  { status, hint, width, rows }: StatusText,
  glyphs: Pick<Glyphs, 'ellipsis'>,
): string[] {
  if (status.busy) return [status.text];
  const lines = wrapWithin(status.text, width, rows, glyphs);
  return lines.map((line, i) =>
    i < lines.length - 1 ? line : truncate(line, Math.max(1, width - hint.length), glyphs),
  );
}

export function StatusLine({ status, hint, width, rows }: StatusText) {
  const { glyphs, styles } = useTerminal();
  if (status.busy) return <Spinner label={status.text} />;
  const lines = statusLines({ status, hint, width, rows }, glyphs);
  return lines.map((line, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
    <Text key={i} wrap="truncate">
      <Text {...styles[status.tone]}>{line}</Text>
      {i === lines.length - 1 && <Text {...styles.dim}>{hint}</Text>}
    </Text>
  ));
}
