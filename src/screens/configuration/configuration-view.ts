/** The configuration as fields, findings and a plan in words: pure. */
import { describeFailure } from '../../model/errors.ts';
import { formatBytes } from '../../model/units.ts';
import { isActive, type State } from '../../state/state.ts';
import { findingLines } from '../finding-lines.ts';
import type { Tone } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';
import { changeTexts } from './changes-view.ts';
import { destinationFields, writingFields } from './destination-fields.ts';
import type { ConfigField } from './field.ts';
import { recipientsReason } from './file-fields.ts';
import { guestFields } from './guest-fields.ts';
import { machineContext, machineFields } from './machine-fields.ts';
import { placeFailureLines, placeReason, takesFiles } from './place-fields.ts';

/** `machine`: the id of the one whose own fields are shown. */
export function configFields(state: State, machine: string | undefined, unfolded = false): ConfigField[] {
  const context = machine === undefined ? undefined : machineContext(state, machine);
  return [
    ...destinationFields(state),
    ...(context === undefined ? [] : [...machineFields(context), ...guestFields(context, unfolded)]),
    ...writingFields(state),
    startField(state),
  ];
}

function startField(state: State): ConfigField {
  const reason = startReason(state);
  return {
    kind: 'start',
    group: 'Writing',
    key: 'start',
    label: 'Start',
    help: 'shows the plan once more and asks before anything is written',
    shown: reason === undefined ? 'press Enter' : `not yet: ${reason}`,
    changed: false,
    ...(reason === undefined ? {} : { reason }),
    apply: () => ({ error: 'nothing to enter here' }),
  };
}

/** The chosen machine with this place in the order of choice, around the ends. */
export function chosenMachine(state: State, place: number): string | undefined {
  const { selected } = state;
  if (selected.length === 0) return undefined;
  return selected[((place % selected.length) + selected.length) % selected.length];
}

/** Why nothing can be started now, whole enough to be shown alone. */
export function startReason(state: State): string | undefined {
  const { planned, selected, run } = state;
  if (selected.length === 0) return 'no machine is chosen; press 3 and choose one';
  if (isActive(run))
    return `a conversion is running; press 5 to see it${run?.away === undefined ? '' : ', and d there to leave it to itself'}`;
  const place = placeReason(state) ?? recipientsReason(state);
  if (place !== undefined) return place;
  if (planned.status === 'failed') return `no plan: ${planned.failure?.message ?? 'the reason is not known'}`;
  if (planned.status !== 'ready') return 'the plan is being worked out';
  const blockers = planned.findings.filter((f) => f.severity === 'blocker');
  const [first] = blockers;
  if (first !== undefined) {
    return blockers.length === 1
      ? `blocked: ${first.message}`
      : `blocked by ${blockers.length} findings: ${first.message}`;
  }
  return planned.plans.length === 0 ? 'the plan is empty' : undefined;
}

export interface PlanStatus {
  readonly text: string;
  readonly tone: Tone;
  readonly busy: boolean;
}

/** One line on how things stand. */
export function planStatus(state: State): PlanStatus {
  const { planned, selected } = state;
  const { destination } = state;
  if (destination.status === 'connecting')
    return { text: `Connecting to ${destination.label}: ${destination.step}`, tone: 'dim', busy: true };
  if (destination.status === 'failed')
    return { text: `NOT CONNECTED: ${destination.failure.message}`, tone: 'error', busy: false };
  if (selected.length === 0)
    return { text: 'No machine is chosen: press 3 and choose one', tone: 'warn', busy: false };
  switch (planned.status) {
    case 'idle':
    case 'busy':
      return { text: 'Working out the plan', tone: 'dim', busy: true };
    case 'failed':
      return {
        text: `NO PLAN: ${planned.failure?.message ?? 'the reason is not known'}`,
        tone: 'error',
        busy: false,
      };
    case 'ready': {
      const counts = (['blocker', 'warning', 'note'] as const).map((severity) => {
        const count = planned.findings.filter((f) => f.severity === severity).length;
        return count === 0 ? undefined : `${count} ${severity}${count === 1 ? '' : 's'}`;
      });
      const found = counts.filter((part) => part !== undefined).join(', ');
      const blocked = counts[0] !== undefined;
      const head = blocked ? 'BLOCKED' : 'Ready to start';
      return { text: found === '' ? head : `${head}: ${found}`, tone: blocked ? 'error' : 'ok', busy: false };
    }
  }
}

/** Findings first: what may make one change a field. Then the plan. */
export function planLines(state: State): (PaneLine | string)[] {
  const { planned } = state;
  const unconnected = placeFailureLines(state);
  if (unconnected.length > 0) return unconnected;
  const failure: PaneLine[] =
    planned.status === 'failed' && planned.failure !== undefined
      ? [{ text: `NO PLAN: ${describeFailure(planned.failure)}`, tone: 'error' }]
      : [];
  const findings = planned.status === 'failed' ? [] : findingLines(planned.findings);
  const plan = planned.status === 'failed' || planned.text.length === 0 ? [] : planned.text;
  const bytes = planned.bytes > 0 && plan.length > 0 ? [`${formatBytes(planned.bytes)} to read`] : [];
  const also = state.also.map(({ text }): PaneLine => ({ text: `Also: ${text}`, tone: 'accent', hang: 6 }));
  return [
    ...failure,
    ...also,
    ...findings,
    ...(findings.length > 0 && plan.length > 0 ? [''] : []),
    ...(plan.length > 0 ? [{ text: 'The plan', tone: 'title' } as const] : []),
    ...plan.map((text): PaneLine => ({ text, hang: indentOf(text) + 2 })),
    ...bytes,
    ...(plan.length === 0 ? [] : guestLines(state)),
  ];
}

function guestLines({ planned: { guests = {} } }: State): PaneLine[] {
  const changes = Object.values(guests).flatMap((guest) => guest.changes);
  if (changes.length === 0) return [];
  return [
    { text: '' },
    { text: 'Changes inside the guest (c shows each)', tone: 'title' },
    ...changeTexts(changes).map((text): PaneLine => ({ text, hang: 2 })),
  ];
}

const indentOf = (text: string): number => text.length - text.trimStart().length;

/** The status where the findings are not beside it: what blocks is said at once, and what to do about a connection. */
export function shortStatus(state: State): PlanStatus {
  const status = planStatus(state);
  const { destination } = state;
  if (destination.status === 'failed')
    return { ...status, text: `NOT CONNECTED: ${describeFailure(destination.failure)}` };
  const blocker = state.planned.findings.find((f) => f.severity === 'blocker');
  if (status.busy || state.planned.status !== 'ready' || blocker === undefined) return status;
  return { ...status, text: `BLOCKED: ${blocker.message}` };
}

/** Machines that are named before the start; more are counted. */
const namedMachines = 8;

/** What is asked before the start. */
export function confirmText(state: State): string {
  const { plans, bytes, text, findings } = state.planned;
  const [first] = plans;
  const what = plans.length === 1 ? first?.machine.name : `${plans.length} machines`;
  const disks = plans.reduce((sum, plan) => sum + plan.machine.disks.length, 0);
  const warnings = findings.filter((f) => f.severity === 'warning');
  return [
    `Convert ${what}: ${disks} ${disks === 1 ? 'disk' : 'disks'}${bytes > 0 ? `, ${formatBytes(bytes)} to read` : ''}`,
    // The plan of a single one says it itself.
    ...(plans.length === 1
      ? []
      : [`into ${placeInWords(state)}`, ...(state.draft.start ? ['They are STARTED there.'] : [])]),
    ...(state.draft.force
      ? [`${takesFiles(state) ? 'Files' : 'Machines'} of the same name are REPLACED.`]
      : []),
    ...state.also.map(({ text }) => `ALSO: ${text}`),
    ...changedInWords(state),
    ...warnings.map((w) => `WARNING: ${w.message}`),
    '',
    ...(plans.length === 1 ? text : namesOf(plans.map((plan) => plan.machine.name))),
  ].join('\n');
}

function changedInWords({ planned: { guests = {} } }: State): string[] {
  const count = Object.values(guests).reduce((sum, { changes }) => sum + changes.length, 0);
  if (count === 0) return [];
  return [`${count === 1 ? '1 change is' : `${count} changes are`} made inside the guest (c lists them).`];
}

function placeInWords({ destination, draft: { folder } }: State): string {
  if (destination.status !== 'folder') return destination.label;
  return folder === '.' ? 'the current folder' : folder;
}

const namesOf = (names: readonly string[]): string[] => [
  ...names.slice(0, namedMachines).map((name) => `  ${name}`),
  ...(names.length > namedMachines ? [`  and ${names.length - namedMachines} more`] : []),
];

/** A drawn line of the form: a heading or a field. */
export type FormRow = { readonly heading: string } | { readonly field: ConfigField };

export function formRows(fields: readonly ConfigField[], machineTitle: string): FormRow[] {
  return fields.flatMap((field, i) => {
    if (field.group === fields[i - 1]?.group) return [{ field }];
    return [{ heading: field.group === 'Machine' ? machineTitle : field.group }, { field }];
  });
}

/** The first row to draw so that the focused one is seen, with its heading where there is room. */
export function firstRow(rows: readonly FormRow[], focus: string, room: number): number {
  const at = Math.max(
    0,
    rows.findIndex((row) => 'field' in row && row.field.key === focus),
  );
  return Math.max(0, Math.min(at - Math.floor(room / 2), rows.length - room));
}

export function machineTitle(state: State, place: number): string {
  const id = chosenMachine(state, place);
  const name = state.machines.items.find((i) => i.machine.id === id)?.machine.name ?? '';
  const count = state.selected.length;
  const at = id === undefined ? 0 : state.selected.indexOf(id) + 1;
  return count > 1 ? `Machine ${at} of ${count}: ${name}  ([ and ] for the others)` : `Machine ${name}`;
}
