/** Facts and packs to verdicts with their reasons. Pure. */
import type { Severity } from '../model/finding.ts';
import type { JudgedFinding, Judgement, OpenRule, Verdict } from '../model/judgement.ts';
import { formatBytes } from '../model/units.ts';
import { evaluate, factAt, type Match, type Outcome } from './evaluate.ts';
import { type Facts, type FactView, viewOf } from './facts.ts';
import type { Rule } from './pack.ts';
import type { Pack } from './packs.ts';

/** Elements that are named as evidence; more are counted. */
const named = 4;
const order: Readonly<Record<Severity, number>> = { blocker: 0, warning: 1, note: 2 };

export function judge(facts: Facts, packs: readonly Pack[]): Judgement[] {
  const view = viewOf(facts);
  return packs.map((pack) => judgeBy(pack, view));
}

function judgeBy({ id: pack, label, version, date, rules }: Pack, view: FactView): Judgement {
  const findings: JudgedFinding[] = [];
  const open: OpenRule[] = [];
  for (const rule of rules) {
    const outcome = evaluate(rule.when, view);
    const { holds } = outcome;
    if (holds === true) findings.push(findingOf(rule, pack, outcome, view));
    if (holds === undefined) {
      const missing = [...new Set(outcome.missing)];
      open.push({ rule: `${pack}.${rule.id}`, severity: rule.severity, missing });
    }
  }
  findings.sort((a, b) => order[a.severity] - order[b.severity]);
  return { ...{ pack, label, version, date }, verdict: verdictOf(findings, open), findings, open };
}

function verdictOf(findings: readonly JudgedFinding[], open: readonly OpenRule[]): Verdict {
  const left = findings.filter((finding) => finding.change === undefined);
  if (left.some(({ severity }) => severity === 'blocker')) return 'blocked';
  if (open.some(({ severity }) => severity === 'blocker')) return 'unknown';
  if (left.some(({ severity }) => severity === 'warning')) return 'warnings';
  return findings.some(({ change }) => change !== undefined) ? 'runs-with-changes' : 'runs';
}

function findingOf(rule: Rule, pack: string, { matches }: Outcome, view: FactView): JudgedFinding {
  const scope: Record<string, unknown> = { ...view };
  for (const { as, element } of matches) scope[as] ??= element;
  const fill = (template: string) => filled(template, scope);
  const evidence = rule.evidence === undefined ? namesOf(matches) : fill(rule.evidence);
  const message = fill(rule.message);
  const { source } = rule;
  return {
    rule: `${pack}.${rule.id}`,
    severity: rule.severity,
    title: rule.title,
    message,
    // What the message names already is not said again.
    ...(evidence === undefined || message.includes(evidence) ? {} : { evidence }),
    ...(rule.remedy === undefined ? {} : { remedy: fill(rule.remedy) }),
    ...(rule.change === undefined ? {} : { change: rule.change }),
    source: source.section === undefined ? source.name : `${source.name}, ${source.section}`,
  };
}

function namesOf(matches: readonly Match[]): string | undefined {
  const names = [...new Set(matches.map(({ element }) => String(element.name)))];
  if (names.length === 0) return undefined;
  const more = names.length - named;
  return names.slice(0, named).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const filled = (template: string, scope: Readonly<Record<string, unknown>>): string =>
  template.replace(/\{([a-zA-Z][\w.-]*)\}/g, (_, path: string) => inWords(path, factAt(path, scope)));

function inWords(path: string, value: unknown): string {
  if (typeof value === 'number' && path.endsWith('Bytes')) return formatBytes(value);
  if (Array.isArray(value)) return value.slice(0, named).map(String).join(', ');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
}
