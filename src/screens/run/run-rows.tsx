import { Box, Text } from 'ink';
import { fitTo, truncate, widthOf } from '../widgets/fit-text.ts';
import { barText } from '../widgets/progress-bar.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { firstRunRow, type RunRow, shareText } from './run-view.ts';

export interface RunRowsProps {
  readonly rows: readonly RunRow[];
  readonly width: number;
  readonly height: number;
}

/** Machines and their disks, scrolled to what is under way. */
export function RunRows({ rows, width, height }: RunRowsProps) {
  const { glyphs, styles } = useTerminal();
  const hidden = rows.length > height;
  const room = hidden ? Math.max(1, height - 1) : height;
  const from = firstRunRow(rows, room);
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      {rows
        .slice(from, from + room)
        .map((row) =>
          row.kind === 'item' ? (
            <ItemRow key={row.key} row={row} width={width} />
          ) : (
            <DiskRow key={row.key} row={row} width={width} />
          ),
        )}
      {hidden && height > 1 && (
        <Text {...styles.dim} wrap="truncate">
          {`  ${glyphs.ellipsis} ${from} lines above, ${Math.max(0, rows.length - from - room)} below`}
        </Text>
      )}
    </Box>
  );
}

function ItemRow({
  row,
  width,
}: {
  readonly row: Extract<RunRow, { kind: 'item' }>;
  readonly width: number;
}) {
  const { glyphs, styles } = useTerminal();
  const title = truncate(row.title, Math.floor(width * 0.4), glyphs);
  return (
    <Text wrap="truncate">
      <Text {...styles.title}>{`${row.live ? glyphs.cursor : ' '} ${title}`}</Text>
      <Text {...styles[row.tone]}>{`  ${truncate(row.state, width - widthOf(title) - 4, glyphs)}`}</Text>
    </Text>
  );
}

const sizeWidth = 22;

function DiskRow({
  row,
  width,
}: {
  readonly row: Extract<RunRow, { kind: 'disk' }>;
  readonly width: number;
}) {
  const { glyphs, styles } = useTerminal();
  const nameWidth = Math.max(8, Math.min(32, Math.floor(width * 0.28)));
  const barWidth = Math.max(5, Math.min(80, width - nameWidth - sizeWidth - 12));
  return (
    <Text wrap="truncate">
      {`    ${fitTo(row.name, nameWidth, { ellipsis: glyphs.ellipsis, cut: 'middle' })} `}
      <Text {...(row.live ? styles.accent : styles.dim)}>{barText(row.share, barWidth, glyphs)}</Text>
      {` ${shareText(row.share)} ${truncate(row.size, sizeWidth, glyphs)}`}
    </Text>
  );
}
