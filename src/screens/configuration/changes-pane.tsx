/** What is changed inside a guest: each change can be left out, and shows its diff. */
import { Box, Text } from 'ink';
import { useState } from 'react';
import type { GuestChange } from '../../model/guest-change.ts';
import type { PlannedGuest } from '../../state/state.ts';
import { useKeys } from '../screen.ts';
import { wrap } from '../widgets/fit-text.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { changeLines, listedChanges, madeChanges, needTone, withoutFor } from './changes-view.ts';

const listColumns: Column<GuestChange>[] = [
  { title: 'Change', width: { grow: 2, min: 12 }, cell: ({ title }) => title },
  { title: 'Need', width: 7, cell: ({ need }) => need, tone: ({ need }) => needTone[need] },
  { title: 'Name', width: { grow: 1, min: 10 }, from: 60, cell: ({ id }) => id },
];

/** Lines for the reason of the change under the cursor. */
const reasonRows = 2;

export interface ChangesPaneProps {
  readonly machine: string;
  readonly guest: PlannedGuest;
  readonly without: readonly string[];
  readonly width: number;
  readonly height: number;
  onWithout(without: string[] | undefined): void;
  onClose(): void;
}

export function ChangesPane({
  machine,
  guest,
  without,
  width,
  height,
  onWithout,
  onClose,
}: ChangesPaneProps) {
  const { styles } = useTerminal();
  const [opened, setOpened] = useState<string>();
  const inside = panelInside(width, height);
  const rows = listedChanges(guest);
  const change = rows.find(({ id }) => id === opened);
  const list = useScrollList<GuestChange>({
    name: `changes ${machine}`,
    rows,
    columns: listColumns,
    keyOf: ({ id }) => id,
    height: Math.max(3, inside.rows - reasonRows),
    noun: 'change',
    active: change === undefined,
    marks: madeChanges(rows, without),
    onMark: (made) => onWithout(withoutFor(rows, made, without)),
  });
  const { current } = list;
  useKeys(
    change === undefined
      ? [
          {
            key: 'enter',
            label: 'diff',
            help: 'every file with what becomes of it',
            reason: current === undefined ? 'there is nothing in the list' : undefined,
            run: () => setOpened(current?.id),
          },
          { key: ['esc', 'c'], shown: 'Esc', label: 'fields', run: onClose },
        ]
      : [{ key: 'esc', label: 'the list', run: () => setOpened(undefined) }],
  );
  if (change !== undefined) {
    return (
      <Panel title={change.title} width={width} height={height} focused>
        <TextPane
          key={change.id}
          name={`change ${machine} ${change.id}`}
          lines={changeLines(change)}
          width={inside.columns}
          height={inside.rows}
        />
      </Panel>
    );
  }
  const reason = wrap(current?.reason ?? '', inside.columns).slice(0, reasonRows);
  return (
    <Panel title={`Changes inside ${machine}`} width={width} height={height} focused>
      <ScrollList list={list} width={inside.columns} empty="nothing is to be changed" />
      <Box flexDirection="column" height={reasonRows}>
        {reason.map((line) => (
          <Text key={line} {...styles.dim} wrap="truncate">
            {line}
          </Text>
        ))}
      </Box>
    </Panel>
  );
}
