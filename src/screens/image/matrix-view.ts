/** Where a machine can run, as rows and lines: pure. A letter says it, the colour only repeats it. */
import { isDeepStrictEqual } from 'node:util';
import {
  changeInWords,
  type JudgedFinding,
  type Judgement,
  type RuleChange,
  type Verdict,
} from '../../model/judgement.ts';
import type { DiskBus } from '../../model/machine.ts';
import type { MachineEdit } from '../../model/plan.ts';
import type { MachineItem } from '../../state/state.ts';
import type { Column } from '../widgets/scroll-list-view.ts';
import type { Tone } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

const verdicts: Readonly<Record<Verdict, { letter: string; words: string; tone: Tone }>> = {
  runs: { letter: 'R', words: 'runs', tone: 'ok' },
  'runs-with-changes': { letter: 'C', words: 'runs with changes', tone: 'accent' },
  warnings: { letter: 'W', words: 'runs, with warnings', tone: 'warn' },
  blocked: { letter: 'B', words: 'blocked', tone: 'error' },
  unknown: { letter: '?', words: 'not known', tone: 'dim' },
};

export interface MatrixRow {
  readonly id: string;
  readonly label: string;
  readonly verdict: Verdict;
  readonly counts: string;
}

export const matrixRows = ({ judgements = [] }: MachineItem): MatrixRow[] =>
  judgements.map((judgement) => ({
    id: judgement.pack,
    label: judgement.label,
    verdict: judgement.verdict,
    counts: countsOf(judgement),
  }));

function countsOf({ findings }: Judgement): string {
  const left = findings.filter(({ change }) => change === undefined);
  const count = (letter: string, some: number) => (some === 0 ? [] : [`${some}${letter}`]);
  return [
    ...count('B', left.filter(({ severity }) => severity === 'blocker').length),
    ...count('W', left.filter(({ severity }) => severity === 'warning').length),
    ...count('C', findings.length - left.length),
  ].join(' ');
}

const tone = ({ verdict }: MatrixRow): Tone => verdicts[verdict].tone;

export const matrixColumns: readonly Column<MatrixRow>[] = [
  { title: '', width: 1, cell: ({ verdict }) => verdicts[verdict].letter, tone },
  { title: 'Destination', width: { grow: 2, min: 12 }, cell: ({ label }) => label },
  { title: 'Verdict', width: { grow: 2, min: 9 }, cell: ({ verdict }) => verdicts[verdict].words, tone },
  { title: 'Found', width: 9, from: 40, cell: ({ counts }) => counts },
];

const tones = { blocker: 'error', warning: 'warn', note: 'dim' } as const;

/** What the rules of one destination say. */
export function judgementLines(
  { label, date, findings, open }: Judgement,
  edit: MachineEdit = {},
): PaneLine[] {
  return [
    { text: `${label}, rules of ${date}`, tone: 'title' },
    ...findings.flatMap((finding) => findingLines(finding, edit)),
    ...(findings.length === 0 ? [{ text: 'nothing speaks against it' }] : []),
    ...(open.length === 0
      ? []
      : [
          {
            text: `Not known: ${[...new Set(open.flatMap((rule) => rule.missing))].join(', ')}`,
            tone: 'dim' as const,
            hang: 2,
          },
        ]),
  ];
}

function findingLines(
  { severity, message, evidence, remedy, change, source }: JudgedFinding,
  edit: MachineEdit,
): PaneLine[] {
  return [
    { text: `${severity.toUpperCase()}: ${message}`, tone: tones[severity], hang: 2 },
    ...(evidence === undefined ? [] : [{ text: `  seen in ${evidence}`, hang: 4 }]),
    ...(remedy === undefined ? [] : [{ text: `  what to do: ${remedy}`, hang: 4 }]),
    ...(change === undefined
      ? []
      : [{ text: `  ${madeBy(change, edit)}`, tone: 'accent' as const, hang: 4 }]),
    { text: `  ${source}`, tone: 'dim', hang: 4 },
  ];
}

/** What a conversion changes in a guest anyway is not chosen; the rest is. */
function madeBy(change: RuleChange, edit: MachineEdit): string {
  const words = changeInWords(change);
  const own = editOf(change, edit);
  if (own === undefined) return `vmferry will make it: ${words}`;
  return isDeepStrictEqual({ ...edit, ...own }, edit) ? `chosen: ${words}` : `c: ${words}`;
}

/** The id of the only rule's change inside the guest that is made when it is asked for. */
const serialConsole = 'console.serial';

function editOf(change: RuleChange, { guest }: MachineEdit): MachineEdit | undefined {
  if ('guest' in change)
    return change.guest === serialConsole
      ? { guest: { ...guest, add: { ...guest?.add, serialConsole: true } } }
      : undefined;
  const { to } = change;
  if (change.plan === 'firmware') return { firmware: { kind: to === 'uefi' ? 'uefi' : 'bios' } };
  if (change.plan === 'table') return { table: to === 'gpt' ? 'gpt' : 'mbr' };
  return change.plan === 'bus' ? { diskBus: to as DiskBus } : undefined;
}

/** The edits of the machine that answer findings of this destination; undefined: none does. */
export function editsFor(judgement: Judgement | undefined, edit: MachineEdit = {}): MachineEdit | undefined {
  const edits = (judgement?.findings ?? []).flatMap(({ change }) =>
    change === undefined ? [] : (editOf(change, edit) ?? []),
  );
  return edits.length === 0 ? undefined : Object.assign({}, ...edits);
}

/** For the details: `Where it runs: KVM / libvirt (C), …`. */
export function judgedInWords({ judgements }: MachineItem): string[] {
  if (judgements === undefined) return [];
  const each = judgements.map(({ label, verdict }) => `${label} (${verdicts[verdict].letter})`);
  return [`Where it runs: ${each.join(', ')}`];
}
