import { Box, Text } from 'ink';
import { fitTo, truncate, widthOf } from '../widgets/fit-text.ts';
import { useTerminal } from '../widgets/terminal.ts';
import { TextField } from '../widgets/text-field.tsx';
import type { TextLine } from '../widgets/text-line.ts';
import { type FormRow, firstRow } from './configuration-view.ts';
import type { ConfigField } from './field.ts';

/** As wide as the labels are, within reason. */
const labelWidthOf = (rows: readonly FormRow[]): number =>
  Math.min(22, Math.max(18, ...rows.map((row) => ('field' in row ? widthOf(row.field.label) : 0))));

export interface FieldListProps {
  readonly rows: readonly FormRow[];
  /** Key of the field under the cursor. */
  readonly focus: string;
  /** The fields have the keys. */
  readonly active: boolean;
  /** The text being entered into the field under the cursor. */
  readonly line: TextLine | undefined;
  readonly width: number;
  readonly height: number;
}

export function FieldList({ rows, focus, active, line, width, height }: FieldListProps) {
  const { glyphs, styles } = useTerminal();
  const from = firstRow(rows, focus, height);
  const drawn = rows.slice(from, from + height);
  const labelWidth = labelWidthOf(rows);
  const above = from > 0;
  const below = from + height < rows.length;
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      {drawn.map((row, i) => {
        const more = (i === 0 && above) || (i === drawn.length - 1 && below);
        const mark = more ? (i === 0 && above ? glyphs.up : glyphs.down) : ' ';
        if ('heading' in row) {
          return (
            <Text key={`heading ${row.heading}`} {...styles.title} wrap="truncate">
              {`${fitTo(row.heading, width - 2, glyphs)} ${mark}`}
            </Text>
          );
        }
        const here = row.field.key === focus;
        return (
          <Text key={row.field.key} wrap="truncate">
            <Text {...(here && active ? styles.selected : {})}>
              {`${here ? glyphs.cursor : ' '} ${fitTo(row.field.label, labelWidth, glyphs)} `}
            </Text>
            <FieldValue
              field={row.field}
              line={here ? line : undefined}
              here={here && active}
              width={width - labelWidth - 5}
            />
            <Text {...styles.dim}>{` ${mark}`}</Text>
          </Text>
        );
      })}
    </Box>
  );
}

interface FieldValueProps {
  readonly field: ConfigField;
  readonly line: TextLine | undefined;
  readonly here: boolean;
  readonly width: number;
}

function FieldValue({ field, line, here, width }: FieldValueProps) {
  const { glyphs, styles } = useTerminal();
  if (line !== undefined) return <TextField line={line} width={width} focused />;
  const shown = field.changed ? `${field.shown} (changed)` : field.shown;
  const turns = here && field.kind === 'choice' && field.reason === undefined;
  const text = turns ? `< ${truncate(shown, width - 4, glyphs)} >` : shown;
  const style =
    field.reason !== undefined ? styles.dim : here ? styles.selected : field.changed ? styles.accent : {};
  return <Text {...style}>{fitTo(text, width, { ellipsis: glyphs.ellipsis })}</Text>;
}
