/** Step 4: what to make of the chosen machines, with the findings and the plan beside. */
import { Box, Text } from 'ink';
import { useState } from 'react';
import { type ScreenProps, useRemembered } from '../screen.ts';
import { ChoiceDialog } from '../widgets/choice-dialog.tsx';
import { wrapWithin } from '../widgets/fit-text.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { useTextEntry } from '../widgets/text-field.tsx';
import { lineOf, type TextLine } from '../widgets/text-line.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { ChangesPane } from './changes-pane.tsx';
import {
  chosenMachine,
  configFields,
  formRows,
  machineTitle,
  type PlanStatus,
  planLines,
  planStatus,
  shortStatus,
} from './configuration-view.ts';
import type { ConfigField } from './field.ts';
import { FieldList } from './field-list.tsx';
import { editGuest } from './guest-fields.ts';
import { machineContext } from './machine-fields.ts';
import { StartDialog } from './start-dialog.tsx';
import { StatusLine, type StatusText, statusLines } from './status-line.tsx';
import { useConfigurationKeys } from './use-configuration-keys.ts';

interface Entry {
  readonly key: string;
  readonly line: TextLine;
  readonly error?: string;
}

export function ConfigurationScreen({ port, state, rows, columns }: ScreenProps) {
  const { glyphs } = useTerminal();
  const [place, setPlace] = useRemembered('configuration:machine', 0);
  const [focusKey, setFocus] = useRemembered('configuration:field', 'destination');
  const [part, setPart] = useState<'fields' | 'plan'>('fields');
  const [entry, setEntry] = useState<Entry>();
  const [asking, setAsking] = useState(false);
  const [picking, setPicking] = useState(false);
  const [listing, setListing] = useState(false);
  const [unfolded, setUnfolded] = useRemembered('configuration:additions', false);
  const machine = chosenMachine(state, place);
  const context = machine === undefined ? undefined : machineContext(state, machine);
  const fields = configFields(state, machine, unfolded);
  // A field can be gone after a change of another one; the first one is always there.
  const field = fields.find((f) => f.key === focusKey) ?? fields[0]!;
  const guest = listing ? context?.guestChanges : undefined;
  const wide = columns >= 100;
  const fieldColumns = wide ? Math.min(80, Math.floor(columns * 0.54)) : columns;
  const status = planStatus(state);
  // Beside the plan pane one line is enough.
  const below: StatusText = wide
    ? { status, hint: '', width: fieldColumns, rows: 1 }
    : {
        ...{ status: shortStatus(state), hint: ' (Tab: findings)', width: fieldColumns },
        rows: Math.max(1, Math.min(4, Math.floor(rows / 4))),
      };
  const helpRows = rows >= 30 ? 2 : 1;
  const fieldRows = Math.max(1, rows - helpRows - statusLines(below, glyphs).length);

  useConfigurationKeys({
    state,
    fields,
    field,
    machine: context,
    part: asking || picking || guest !== undefined ? 'none' : part,
    page: fieldRows,
    dispatch: (command) => void port.dispatch(command),
    focus: setFocus,
    edit: () => field.kind === 'text' && setEntry({ key: field.key, line: lineOf(field.text) }),
    pick: () => setPicking(true),
    fold: () => setUnfolded((now) => !now),
    changes: () => setListing(true),
    switchPart: () => setPart((now) => (now === 'fields' ? 'plan' : 'fields')),
    nextMachine: (step) => setPlace((now) => now + step),
    start: () => setAsking(true),
  });
  useTextEntry({
    active: entry !== undefined,
    onEdit: (change) => setEntry((now) => now && { key: now.key, line: change(now.line) }),
    onCancel: () => setEntry(undefined),
    onSubmit: () => {
      const edited = fields.find((f) => f.key === entry?.key);
      if (entry === undefined || edited === undefined) return setEntry(undefined);
      const applied = edited.apply(entry.line.value);
      if ('error' in applied) return setEntry({ ...entry, error: applied.error });
      setEntry(undefined);
      void port.dispatch(applied.command);
    },
  });

  if (guest !== undefined && context !== undefined) {
    return (
      <ChangesPane
        machine={context.planned.name}
        guest={guest}
        without={context.edit.guest?.without ?? []}
        width={columns}
        height={rows}
        onWithout={(without) => void port.dispatch(editGuest(context, { without }))}
        onClose={() => setListing(false)}
      />
    );
  }
  if (picking && field.kind === 'pick') {
    return (
      <ChoiceDialog
        title={field.label}
        items={field.choices}
        value={field.value}
        submitLabel="choose"
        width={Math.min(columns, 76)}
        height={rows}
        onChoose={(value) => {
          setPicking(false);
          const applied = field.apply(value);
          if ('command' in applied) void port.dispatch(applied.command);
        }}
        onCancel={() => setPicking(false)}
      />
    );
  }
  if (asking) return <StartDialog {...{ port, state, rows, columns }} onClose={() => setAsking(false)} />;

  const plan = (width: number) => (
    <PlanPane lines={planLines(state)} active={part === 'plan'} width={width} height={rows} status={status} />
  );
  if (!wide && part === 'plan') return plan(columns);
  return (
    <Box width={columns} height={rows} overflow="hidden">
      <Box flexDirection="column" width={fieldColumns} height={rows}>
        <FieldList
          rows={formRows(fields, machineTitle(state, place))}
          focus={field.key}
          active={part === 'fields'}
          line={entry?.line}
          width={fieldColumns}
          height={fieldRows}
        />
        <HelpLines
          error={entry?.error}
          reason={reasonText(field)}
          help={field.help}
          width={fieldColumns}
          rows={helpRows}
        />
        <StatusLine {...below} />
      </Box>
      {wide && <Box width={1} />}
      {wide && plan(columns - fieldColumns - 1)}
    </Box>
  );
}

/** What a field means is told as well where it can't be changed, such as the space that is left in the only storage. */
const reasonText = ({ kind, reason, help }: ConfigField): string | undefined =>
  reason === undefined ? undefined : kind === 'start' ? `not yet: ${reason}` : `fixed: ${reason}; ${help}`;

interface HelpLinesProps {
  readonly error: string | undefined;
  readonly reason: string | undefined;
  readonly help: string;
  readonly width: number;
  readonly rows: number;
}

/** What is wrong with the text being entered, else why the field is fixed, else what it means. */
function HelpLines({ error, reason, help, width, rows }: HelpLinesProps) {
  const { glyphs, styles } = useTerminal();
  const text = error !== undefined ? `! ${error}` : (reason ?? help);
  return (
    <Box flexDirection="column" height={rows}>
      {wrapWithin(text, width, rows, glyphs).map((line) => (
        <Text key={line} {...(error === undefined ? styles.dim : styles.error)} wrap="truncate">
          {line}
        </Text>
      ))}
    </Box>
  );
}

interface PlanPaneProps {
  readonly lines: ReturnType<typeof planLines>;
  readonly status: PlanStatus;
  readonly active: boolean;
  readonly width: number;
  readonly height: number;
}

function PlanPane({ lines, status, active, width, height }: PlanPaneProps) {
  const inside = panelInside(width, height);
  return (
    <Panel title="Findings and plan" width={width} height={height} focused={active}>
      <StatusLine status={status} width={inside.columns} hint="" rows={1} />
      <TextPane
        name="plan"
        lines={lines}
        width={inside.columns}
        height={Math.max(1, inside.rows - 1)}
        active={active}
      />
    </Panel>
  );
}
