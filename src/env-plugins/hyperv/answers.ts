/** What an answer may hold, checked: a host is not taken at its word. */
import { AppError } from '../../model/errors.ts';

export type Answer = Readonly<Record<string, unknown>>;

const mostText = 64 * 1024;
const mostItems = 20_000;

const wrong = (what: string): AppError =>
  new AppError('corrupt', `the answer of the host is not understood: ${what}`);

export function answerIn(value: unknown, what: string): Answer {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Answer;
  throw wrong(`${what} is no object`);
}

/** Empty where it is missing. */
export function textIn(from: Answer, key: string): string {
  const value = from[key] ?? '';
  if (typeof value !== 'string') throw wrong(`"${key}" is no text`);
  if (value.length > mostText) throw wrong(`"${key}" has ${value.length} characters`);
  return value;
}

/** Undefined where it is missing. */
export function countIn(from: Answer, key: string): number | undefined {
  const value = from[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(`"${key}" is no number from 0 on`);
}

/** False where it is missing. */
export function flagIn(from: Answer, key: string): boolean {
  const value = from[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw wrong(`"${key}" is neither true nor false`);
}

/** Windows PowerShell prints some arrays as an object with `value` and `Count`, and an empty one may be missing. */
export function listIn(from: Answer, key: string): unknown[] {
  const value = from[key] ?? [];
  const list = Array.isArray(value) ? value : (value as { value?: unknown }).value;
  if (!Array.isArray(list)) throw wrong(`"${key}" is no list`);
  if (list.length > mostItems) throw wrong(`"${key}" has ${list.length} entries`);
  return list;
}

export const answersIn = (from: Answer, key: string): Answer[] =>
  listIn(from, key).map((one) => answerIn(one, key));
