/**
 * The text in which LVM2 keeps a group: `name { key = value … }` sections inside each other, a value being a text
 * in quotes, a number, or a list of those in brackets; `#` begins a comment.
 */
import { AppError } from '../../model/errors.ts';

export type Scalar = string | number;
export interface Section {
  readonly values: Map<string, Scalar | readonly Scalar[]>;
  readonly sections: Map<string, Section>;
}

const maxDepth = 16;
/** What is not in quotes: a number, a name, or a mark. */
const token = /(-?\d{1,20}(?:\.\d{1,20})?)(?![\w.+-])|([A-Za-z0-9_.+/-]{1,256})|([{}[\]=,])/y;

interface Token {
  readonly kind: 'scalar' | 'name' | 'mark' | 'end';
  readonly value: Scalar;
  readonly at: number;
}

/** @throws AppError `corrupt`. */
export function parseMetadata(text: string): Section {
  const next = tokens(text);
  const root: Section = { values: new Map(), sections: new Map() };
  const open: Section[] = [root];
  for (let word = next(); word.kind !== 'end'; word = next()) {
    const inside = open.at(-1)!;
    if (word.value === '}' && word.kind === 'mark' && open.length > 1) {
      open.pop();
      continue;
    }
    // A section may have a number for its name.
    if (word.kind === 'mark') throw unexpected(word);
    const name = String(word.value);
    const mark = next();
    if (mark.kind === 'mark' && mark.value === '{') {
      if (open.length > maxDepth) throw unexpected(mark);
      const section: Section = { values: new Map(), sections: new Map() };
      inside.sections.set(name, section);
      open.push(section);
    } else if (mark.kind === 'mark' && mark.value === '=') {
      inside.values.set(name, value(next));
    } else {
      throw unexpected(mark);
    }
  }
  if (open.length > 1) throw new AppError('corrupt', 'LVM2 metadata: a section has no end');
  return root;
}

function value(next: () => Token): Scalar | Scalar[] {
  const first = next();
  if (first.kind === 'scalar') return first.value;
  if (first.kind !== 'mark' || first.value !== '[') throw unexpected(first);
  const list: Scalar[] = [];
  for (let word = next(); word.kind !== 'mark' || word.value !== ']'; word = next()) {
    if (word.kind === 'scalar') list.push(word.value);
    else if (word.kind !== 'mark' || word.value !== ',') throw unexpected(word);
  }
  return list;
}

/** Texts and what is between tokens are walked by hand: a pattern would keep a step for every character. */
function tokens(text: string): () => Token {
  let at = 0;
  return () => {
    at = afterSpace(text, at);
    const start = at;
    if (start >= text.length) return { kind: 'end', value: '', at };
    if (text[start] === '"') {
      at = afterQuoted(text, start);
      const quoted = text.slice(start + 1, at - 1).replace(/\\([\s\S])/g, '$1');
      return { kind: 'scalar', value: quoted, at: start };
    }
    token.lastIndex = start;
    const found = token.exec(text);
    if (found === null) throw unexpected({ kind: 'mark', value: text[start]!, at });
    at = token.lastIndex;
    const [, number, name, mark] = found;
    if (number !== undefined) return { kind: 'scalar', value: Number(number), at: start };
    if (name !== undefined) return { kind: 'name', value: name, at: start };
    return { kind: 'mark', value: mark!, at: start };
  };
}

function afterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    if (text[at] === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (text.charCodeAt(at) > 32) break;
    else at++;
  }
  return at;
}

function afterQuoted(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === '\\') at++;
  }
  throw new AppError('corrupt', `LVM2 metadata: a text has no end, from character ${from}`);
}

function unexpected({ kind, value, at }: Token): AppError {
  const shown =
    kind === 'end'
      ? 'the end'
      : `"${String(value)
          .slice(0, 40)
          .replace(/[^ -~]/g, '?')}"`;
  return new AppError('corrupt', `LVM2 metadata: ${shown} at character ${at}`);
}
