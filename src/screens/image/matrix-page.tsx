import { Box } from 'ink';
import { useState } from 'react';
import type { Judgement } from '../../model/judgement.ts';
import type { MachineEdit } from '../../model/plan.ts';
import type { DispatcherPort } from '../../state/port.ts';
import type { MachineItem } from '../../state/state.ts';
import { useKeys } from '../screen.ts';
import { useDispatcherState } from '../use-dispatcher-state.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { TextPane } from '../widgets/text-pane.tsx';
import { areas } from './image-view.ts';
import { editsFor, judgementLines, matrixColumns, matrixRows } from './matrix-view.ts';

export interface MatrixPageProps {
  readonly port: DispatcherPort;
  readonly item: MachineItem;
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

/** Where a machine can run: the destinations, and what the rules of the one under the cursor say. */
export function MatrixPage({ port, item, width, height, onClose }: MatrixPageProps) {
  const [full, setFull] = useState(false);
  const area = areas(width, height);
  const inside = panelInside(area.listColumns, area.listRows);
  const list = useScrollList({
    name: 'matrix',
    rows: matrixRows(item),
    columns: matrixColumns,
    keyOf: (row) => row.id,
    height: inside.rows,
    noun: 'destination',
    active: !full,
  });
  const judgement = item.judgements?.find(({ pack }) => pack === list.current?.id);
  const { id } = item.machine;
  const edit = useDispatcherState(port).draft.edits[id];
  const edits = editsFor(judgement, edit);
  const change = async () => {
    await port.dispatch({ type: 'edit-machine', id, change: edits! });
    await port.dispatch({ type: 'judge-machine', id });
  };
  useKeys(
    [
      {
        key: 'c',
        label: 'change',
        help: 'set of this machine what this destination wants: firmware, partition table, bus, serial console',
        reason: edits === undefined ? 'nothing here is changed by a setting of the machine' : undefined,
        run: () => void change(),
      },
      {
        key: ['enter', 'i'],
        shown: 'Enter',
        label: 'all findings',
        reason: judgement === undefined ? 'the rules are being asked' : undefined,
        run: () => setFull(true),
      },
      { key: ['m', 'esc'], shown: 'Esc', label: 'back to the list', run: onClose },
    ],
    { level: 'list', active: !full },
  );
  if (full && judgement !== undefined)
    return <FindingsPage {...{ judgement, edit, width, height }} onClose={() => setFull(false)} />;
  const pane = panelInside(area.paneColumns, area.paneRows);
  return (
    <Box flexDirection={area.beside ? 'row' : 'column'} width={width} height={height} overflow="hidden">
      <Panel
        title={`Where ${item.machine.name} can run`}
        width={area.listColumns}
        height={area.listRows}
        focused
      >
        <ScrollList list={list} width={inside.columns} empty="the rules are being asked" />
      </Panel>
      {area.beside && <Box width={1} />}
      {area.paneRows > 0 && (
        <Panel title={judgement?.label ?? 'Findings'} width={area.paneColumns} height={area.paneRows}>
          <TextPane
            name={`matrix:${id}:${judgement?.pack}`}
            lines={judgement === undefined ? [] : judgementLines(judgement, edit)}
            width={pane.columns}
            height={pane.rows}
            active={false}
          />
        </Panel>
      )}
    </Box>
  );
}

interface FindingsPageProps extends Pick<MatrixPageProps, 'width' | 'height' | 'onClose'> {
  readonly judgement: Judgement;
  readonly edit: MachineEdit | undefined;
}

/** All that the rules of one destination say, scrolling. */
function FindingsPage({ judgement, edit, width, height, onClose }: FindingsPageProps) {
  const inside = panelInside(width, height);
  useKeys([{ key: ['i', 'esc'], shown: 'Esc', label: 'back', run: onClose }], { level: 'list' });
  return (
    <Panel title={judgement.label} width={width} height={height} focused>
      <TextPane
        name={`findings:${judgement.pack}`}
        lines={judgementLines(judgement, edit)}
        width={inside.columns}
        height={inside.rows}
      />
    </Panel>
  );
}
