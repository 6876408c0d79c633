/** The guest's changes as a list and as diffs: pure. */

import { namesChange } from '../../model/guest-additions.ts';
import type { FileChange, GuestChange } from '../../model/guest-change.ts';
import type { PlannedGuest } from '../../state/state.ts';
import type { Tone } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

const order = { needed: 0, advised: 1, asked: 2 } as const;
export const needTone: Readonly<Record<GuestChange['need'], Tone>> = {
  needed: 'accent',
  advised: 'plain',
  asked: 'plain',
};

/** All that could be changed. In an order of their own: what is left out does not move. */
export const listedChanges = ({ changes, leftOut }: PlannedGuest): GuestChange[] =>
  [...changes, ...leftOut].sort(
    (a, b) => order[a.need] - order[b.need] || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );

/** Ids of those that are made. */
export const madeChanges = (listed: readonly GuestChange[], without: readonly string[] = []): Set<string> =>
  new Set(listed.map(({ id }) => id).filter((id) => !namesChange(without, id)));

/** `GuestPlan.without` so that these of the list are made; what it says of others stays. */
export function withoutFor(
  listed: readonly GuestChange[],
  made: readonly string[],
  without: readonly string[] = [],
): string[] | undefined {
  const ids = listed.map(({ id }) => id);
  const others = without.filter((name) => !ids.some((id) => namesChange([name], id)));
  const next = [...others, ...ids.filter((id) => !made.includes(id))];
  return next.length === 0 ? undefined : next;
}

/** Why, and every file with its diff. */
export const changeLines = ({ id, title, reason, need, files }: GuestChange): PaneLine[] => [
  { text: title, tone: 'title' },
  { text: `${need}: ${reason}`, hang: 2 },
  { text: `its name for --without-change: ${id}`, tone: 'dim' },
  ...files.flatMap(fileLines),
];

function fileLines({ path, kind, bytes, diff = '', secret }: FileChange): PaneLine[] {
  const size = bytes === undefined ? '' : `, ${bytes} bytes`;
  return [
    { text: '' },
    { text: `${path}: ${kind}${size}`, tone: 'accent', hang: 2 },
    ...(secret ? [{ text: 'not shown: it is secret', tone: 'dim' } as const] : []),
    ...(diff === '' ? [] : diff.replace(/\n$/, '').split('\n').map(diffLine)),
  ];
}

function diffLine(line: string): PaneLine {
  // A tab has no width of its own in a pane.
  const text = line.replaceAll('\t', '    ');
  const sign = line[0];
  const tone: Tone = sign === '+' ? 'ok' : sign === '-' ? 'error' : sign === '@' ? 'dim' : 'plain';
  return { text, tone, hang: 1 };
}

/** As a part of the plan or of a history: a line each. */
export const changeTexts = (changes: readonly GuestChange[]): string[] =>
  changes.map(({ title, id, need }) => `${title} (${need}, ${id})`);
