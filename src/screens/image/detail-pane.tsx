import { Text } from 'ink';
import type { MachineItem } from '../../state/state.ts';
import { fitTo } from '../widgets/fit-text.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { paneLines } from '../widgets/text-pane-view.ts';
import { detailLines } from './detail-view.ts';

export interface DetailPaneProps {
  readonly item: MachineItem | undefined;
  readonly width: number;
  readonly height: number;
}

/** As much of a machine's details as fits; the last line says that there is more. */
export function DetailPane({ item, width, height }: DetailPaneProps) {
  const { glyphs, styles } = useTerminal();
  const inside = panelInside(width, height);
  const lines = item === undefined ? [] : paneLines(detailLines(item), inside.columns);
  const more = lines.length > inside.rows ? lines.length - inside.rows + 1 : 0;
  const drawn = more > 0 ? lines.slice(0, inside.rows - 1) : lines;
  return (
    <Panel title={item?.machine.name ?? 'Details'} width={width} height={height}>
      {drawn.map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
        <Text key={i} {...styles[line.tone ?? 'plain']} wrap="truncate">
          {fitTo(line.text, inside.columns, glyphs)}
        </Text>
      ))}
      {more > 0 && (
        <Text {...styles.dim} wrap="truncate">
          {`${glyphs.ellipsis} ${more} more lines: i`}
        </Text>
      )}
    </Panel>
  );
}

/** All of it, scrolling, in place of the list. */
export function DetailPage({ item, width, height }: DetailPaneProps & { readonly item: MachineItem }) {
  const inside = panelInside(width, height);
  return (
    <Panel title={item.machine.name} width={width} height={height} focused>
      <TextPane
        name={`machine:${item.machine.id}`}
        lines={detailLines(item)}
        width={inside.columns}
        height={inside.rows}
      />
    </Panel>
  );
}
