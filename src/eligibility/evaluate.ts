/** A condition over facts: true, false, or not known because a fact is missing (Kleene's three values). */
import { type Comparison, type Condition, type ListName, lists, type Operators } from './condition.ts';
import type { FactView } from './facts.ts';

/** An element of a list, by what it is called in paths. */
export interface Match {
  readonly as: string;
  readonly element: Readonly<Record<string, unknown>>;
}

export interface Outcome {
  /** Undefined: not known. */
  readonly holds: boolean | undefined;
  /** The elements that it was seen in. */
  readonly matches: readonly Match[];
  /** Paths of the facts that were asked for and are not known. */
  readonly missing: readonly string[];
}

type Scope = Readonly<Record<string, unknown>>;

export const evaluate = (condition: Condition, view: FactView): Outcome =>
  evaluateIn(condition, view as unknown as Scope);

function evaluateIn(condition: Condition, scope: Scope): Outcome {
  if ('all' in condition) return all(condition.all.map((part) => evaluateIn(part, scope)));
  if ('any' in condition) return any(condition.any.map((part) => evaluateIn(part, scope)));
  if ('not' in condition) return negated(evaluateIn(condition.not, scope));
  if ('each' in condition) return each(condition.each, condition.where, scope);
  if ('every' in condition) return negated(each(condition.every, { not: condition.where }, scope));
  if ('count' in condition) return count(condition, scope);
  return compare(condition, scope);
}

const negated = ({ holds, missing }: Outcome): Outcome => ({
  holds: holds === undefined ? undefined : !holds,
  matches: [],
  missing,
});

function all(parts: readonly Outcome[]): Outcome {
  if (parts.some((part) => part.holds === false)) return settled(false);
  const missing = parts.flatMap((part) => (part.holds === undefined ? part.missing : []));
  if (parts.some((part) => part.holds === undefined)) return { holds: undefined, matches: [], missing };
  return { holds: true, matches: parts.flatMap((part) => part.matches), missing: [] };
}

function any(parts: readonly Outcome[]): Outcome {
  const found = parts.filter((part) => part.holds === true);
  if (found.length > 0) return { holds: true, matches: found.flatMap((part) => part.matches), missing: [] };
  const missing = parts.flatMap((part) => part.missing);
  return parts.some((part) => part.holds === undefined)
    ? { holds: undefined, matches: [], missing }
    : settled(false);
}

const settled = (holds: boolean): Outcome => ({ holds, matches: [], missing: [] });
const notKnown = (...missing: string[]): Outcome => ({ holds: undefined, matches: [], missing });

function each(list: ListName, where: Condition, scope: Scope): Outcome {
  const elements = scope[list];
  if (!Array.isArray(elements)) return notKnown(list);
  const as = lists[list];
  return any(
    elements.map((element) => {
      const found = evaluateIn(where, { ...scope, [as]: element });
      return found.holds === true ? { ...found, matches: [{ as, element }] } : found;
    }),
  );
}

function count(
  { count: list, where, above }: Extract<Condition, { count: ListName }>,
  scope: Scope,
): Outcome {
  const elements = scope[list];
  if (!Array.isArray(elements)) return notKnown(list);
  const found =
    where === undefined
      ? elements.map(() => settled(true))
      : elements.map((element) => evaluateIn(where, { ...scope, [lists[list]]: element }));
  const sure = found.filter((one) => one.holds === true).length;
  if (sure > above) return settled(true);
  const perhaps = found.filter((one) => one.holds === undefined);
  return sure + perhaps.length > above ? notKnown(...perhaps.flatMap((one) => one.missing)) : settled(false);
}

/** The fact at a path; own properties alone are followed. */
export function factAt(path: string, scope: Readonly<Record<string, unknown>>): unknown {
  let value: unknown = scope;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function compare({ fact, ...operators }: Comparison, scope: Scope): Outcome {
  const value = factAt(fact, scope);
  if (operators.present !== undefined) {
    const there = value !== undefined && !(Array.isArray(value) && value.length === 0);
    return settled(there === operators.present);
  }
  const holds = value === undefined ? undefined : test(operators, value);
  return holds === undefined ? notKnown(fact) : settled(holds);
}

/** Undefined: the fact is of another kind than the operator takes. */
function test(operators: Operators, value: unknown): boolean | undefined {
  const { is, in: among, starts, ends, has, olderThan } = operators;
  if (is !== undefined) return same(value, is);
  if (among !== undefined) return among.some((one) => same(value, one));
  if (has !== undefined) return holdsAny(value, has);
  if (starts !== undefined) return ofText(value, (text) => starts.some((s) => text.startsWith(lower(s))));
  if (ends !== undefined) return ofText(value, (text) => ends.some((s) => text.endsWith(lower(s))));
  if (olderThan !== undefined) return ofText(value, (text) => isOlder(text, olderThan));
  return typeof value === 'number' ? testNumber(operators, value) : undefined;
}

function testNumber(operators: Operators, value: number): boolean | undefined {
  const { above, below, atLeast, atMost, multipleOf } = operators;
  if (above !== undefined) return value > above;
  if (below !== undefined) return value < below;
  if (atLeast !== undefined) return value >= atLeast;
  if (atMost !== undefined) return value <= atMost;
  if (multipleOf !== undefined) return value % multipleOf === 0;
  return undefined;
}

const lower = (text: string): string => text.toLowerCase();

const same = (value: unknown, wanted: unknown): boolean =>
  typeof value === 'string' && typeof wanted === 'string' ? lower(value) === lower(wanted) : value === wanted;

const ofText = (value: unknown, ask: (text: string) => boolean): boolean | undefined =>
  typeof value === 'string' ? ask(lower(value)) : undefined;

function holdsAny(value: unknown, wanted: readonly string[]): boolean | undefined {
  if (Array.isArray(value)) return wanted.some((one) => value.some((item) => same(item, one)));
  return ofText(value, (text) => wanted.some((one) => text.includes(lower(one))));
}

/** `4.18.0-553.el8` is older than `5`; what is behind the numbers is not looked at. Undefined: no number at all. */
function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => (/^[\d.]*/.exec(text)?.[0] ?? '').split('.').map(Number);
  const [a, b] = [numbers(version), numbers(than)];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
