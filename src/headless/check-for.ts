/** `check --for`: where a machine can run, by the rules, and what is in its way. */
import { AppError } from '../model/errors.ts';
import { changeInWords, type JudgedFinding, type Judgement, type Verdict } from '../model/judgement.ts';
import type { CommonOptions } from './common-options.ts';
import { findingLine, table, terminalOutput } from './output.ts';
import { addImage, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

/** Resolves to 3 when a destination that was named is blocked, else to 0. */
export async function checkFor(
  image: string,
  options: CommonOptions & Trust & { readonly for: string },
): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const destinations = namesIn(options.for);
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    let judgements: readonly Judgement[] | undefined;
    dispatcher.watch((event) => {
      if (event.type !== 'machine-judged') return;
      judgements = event.judgements;
      for (const { where, reason } of event.broken) output.remark(`rules left out: ${where}: ${reason}`);
    });
    tellSteps(composed, output);
    const id = await addImage(composed, image, options).finally(() => output.progressDone());
    await dispatcher.perform({ type: 'judge-machine', id, destinations });
    if (judgements === undefined) throw new AppError('bug', 'the rules have given no answer');
    if (output.json) output.value({ image: id, judgements });
    else for (const line of describeJudgements(judgements)) output.line(line);
    const named = destinations.includes('all') ? [] : judgements;
    return named.some(({ verdict }) => verdict === 'blocked') ? 3 : 0;
  });
}

function namesIn(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (!names.includes('')) return [...new Set(names)];
  throw new AppError('usage', `--for ${text}: a destination is empty`, {
    hint: 'such as --for all or --for kvm,aws',
  });
}

export const verdictWords: Readonly<Record<Verdict, string>> = {
  runs: 'runs',
  'runs-with-changes': 'runs with changes',
  warnings: 'runs, with warnings',
  blocked: 'BLOCKED',
  unknown: 'not known',
};

export function describeJudgements(judgements: readonly Judgement[]): string[] {
  const rows = judgements.map(({ pack, label, verdict, findings, open }) => [
    pack,
    label,
    verdictWords[verdict],
    countsOf(findings, open.length),
  ]);
  return [...table(rows), ...findingLines(judgements), ...openLines(judgements)];
}

function countsOf(findings: readonly JudgedFinding[], open: number): string {
  const count = (word: string, some: number) =>
    some === 0 ? [] : [`${some} ${word}${some === 1 ? '' : 's'}`];
  const left = findings.filter(({ change }) => change === undefined);
  return [
    ...count('blocker', left.filter(({ severity }) => severity === 'blocker').length),
    ...count('warning', left.filter(({ severity }) => severity === 'warning').length),
    ...count('change', findings.length - left.length),
    ...(open === 0 ? [] : [`${open} not known`]),
  ].join(', ');
}

/** What several destinations say in the same words is told once, with their names before it. */
function findingLines(judgements: readonly Judgement[]): string[] {
  const told = new Map<string, string[]>();
  for (const { pack, findings } of judgements) {
    for (const finding of findings) {
      const { change } = finding;
      const made = change === undefined ? '' : ` [vmferry can: ${changeInWords(change)}]`;
      const line = `${findingLine(finding)}${made}; see ${finding.source}`;
      told.set(line, [...(told.get(line) ?? []), pack]);
    }
  }
  if (told.size === 0) return [];
  const order = ['blocker', 'warning', 'note'];
  const place = (line: string) => order.findIndex((severity) => line.startsWith(severity));
  const lines = [...told].sort(([a], [b]) => place(a) - place(b));
  const all = judgements.length;
  return ['', ...lines.map(([line, packs]) => `${whose(packs, all)}: ${line}`)];
}

const whose = (packs: readonly string[], all: number): string =>
  all > 1 && packs.length === all ? 'all' : packs.join(', ');

function openLines(judgements: readonly Judgement[]): string[] {
  const missing = new Set(
    judgements.flatMap(({ open }) =>
      open.filter(({ severity }) => severity === 'blocker').flatMap((rule) => rule.missing),
    ),
  );
  return missing.size === 0 ? [] : ['', `not known, and asked for by blockers: ${[...missing].join(', ')}`];
}
