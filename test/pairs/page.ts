/** What the pairs have shown, as docs/pairs.md has it below its mark. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Finding } from '../../src/model/finding.ts';
import { MiB } from '../../src/model/units.ts';
import type { At } from './carry.ts';
import { tellersOf } from './covered.ts';
import { type Difference, differences, type FieldName, fieldNames, type Values } from './fields.ts';

export const pagePath = 'docs/pairs.md';
const mark = '<!-- npm run docs:pairs writes what follows -->\n';

export interface Way {
  readonly from: At;
  readonly to: At;
  /** Shown before it. */
  readonly findings: readonly Finding[];
}

export interface Circle {
  readonly ways: readonly Way[];
  readonly changed: readonly Difference[];
}

/** The page as it should be; `ways` by source, each in the order of `starts`. */
export async function pairsPage(
  starts: readonly At[],
  ways: readonly (readonly Way[])[],
  circles: readonly Circle[],
): Promise<string> {
  const before = (await readFile(pagePath, 'utf8')).split(mark)[0]!;
  const lines = [
    '## What changes',
    '',
    row(['from \\ to', ...starts.map(({ place }) => place.label)]),
    row(['---', ...starts.map(() => '---')]),
    ...ways.map((own, i) => row([`**${starts[i]!.place.label}**`, ...own.map(cellOf)])),
    '',
    '## Field by field',
    '',
    ...ways.flatMap((own) => sourceTable(own)),
    '## Full circles',
    '',
    ...circles.map(circleText),
    '',
    '## The findings in words',
    '',
    ...wordsOf([...ways.flat(), ...circles.flatMap((circle) => circle.ways)]),
  ];
  return `${before}${mark}\n${lines.join('\n')}\n`;
}

export const writePage = (text: string): Promise<void> => writeFile(pagePath, text);

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

const changesOf = ({ from, to }: Way): Difference[] => differences(from.told, to.told);

function cellOf(way: Way): string {
  const fields = fieldNames.filter((field) => changesOf(way).some((one) => one.field === field));
  const by = (severity: string) =>
    fields.filter((field) => tellersOf({ field }, way.findings)[0]?.severity === severity);
  const [warned, noted] = [by('warning'), by('note')];
  if (warned.length + noted.length === 0) return 'nothing';
  return [
    ...(warned.length === 0 ? [] : [`**${warned.join(', ')}**`]),
    ...(noted.length === 0 ? [] : [noted.join(', ')]),
  ].join('; ');
}

const unique: readonly FieldName[] = ['UUID'];

/** As it is read; what is another in every run is not shown. */
function shown(field: FieldName, value: Values[FieldName], isBefore: boolean): string {
  if (value === undefined) return isBefore ? '' : 'none';
  if (unique.includes(field)) return isBefore ? 'its own' : 'another';
  if (field === 'description') return 'a text of two lines';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if ((field === 'memory' || field === 'disk size') && typeof value === 'number') return `${value / MiB} MiB`;
  return String(value);
}

function sourceTable(ways: readonly Way[]): string[] {
  const { from } = ways[0]!;
  const size = (digest: string) => Number(from.told.disks.get(digest)!['disk size']);
  const bySize = from.digests.toSorted((a, b) => size(b) - size(a));
  const rows = [
    ...rowsFor('', from.told.whole, (way) => way.to.told.whole, ways),
    ...bySize.flatMap((digest, i) =>
      rowsFor(`${i + 1}`, from.told.disks.get(digest)!, ({ to }) => to.told.disks.get(digest) ?? {}, ways),
    ),
    ...from.told.cards.flatMap((card, i) =>
      rowsFor(`${i + 1}`, card, ({ to }) => to.told.cards[i] ?? {}, ways),
    ),
  ];
  return [
    `### From ${from.place.label}`,
    '',
    row(['', from.place.label, ...ways.map(({ to }) => `→ ${to.place.label}`)]),
    row(['---', '---', ...ways.map(() => '---')]),
    ...rows,
    '',
  ];
}

/** Only what changes somewhere. */
function rowsFor(
  number: string,
  before: Values,
  after: (way: Way) => Values,
  ways: readonly Way[],
): string[] {
  return fieldNames.flatMap((field) => {
    const was = before[field];
    if (was === undefined || ways.every((way) => after(way)[field] === was)) return [];
    const cells = ways.map((way) => {
      const is = after(way)[field];
      if (is === was) return '=';
      const [teller] = tellersOf({ field }, way.findings);
      return `${shown(field, is, false)} (\`${teller?.rule ?? 'untold'}\`)`;
    });
    return [row([field.replace(/^(disk|card)/, `$1 ${number}`), shown(field, was, true), ...cells])];
  });
}

function circleText({ ways, changed }: Circle): string {
  const labels = [ways[0]!.from, ...ways.map(({ to }) => to)].map(({ place }) => place.label);
  const fields = fieldNames.filter((field) => changed.some((one) => one.field === field));
  return `- ${labels.join(' → ')}: every byte is the same; otherwise ${fields.length === 0 ? 'nothing' : fields.join(', ')}.`;
}

/** Each rule once, as its first finding has it. */
function wordsOf(ways: readonly Way[]): string[] {
  const found = new Map<string, Finding>();
  for (const way of ways)
    for (const { field } of changesOf(way))
      for (const finding of tellersOf({ field }, way.findings).slice(0, 1))
        if (!found.has(finding.rule)) found.set(finding.rule, finding);
  const rows = [...found.values()].sort((a, b) => (a.rule < b.rule ? -1 : 1));
  return [
    row(['finding', 'severity', 'such as']),
    row(['---', '---', '---']),
    ...rows.map(({ rule, severity, message }) => row([`\`${rule}\``, severity, stable(message)])),
  ];
}

/** Without what depends on the computer: the version of QEMU's machine. */
const stable = (text: string): string => text.replace(/pc-(q35|i440fx)-\d+\.\d+/g, '$1');
