/** Small text files of a guest, and the forms that many of them share. */
import { textOf } from './reader.ts';

export interface ConfigFile {
  /** The file's own name, no folder. */
  readonly name: string;
  readonly content: Buffer | string;
}

const maxTextBytes = 1024 * 1024;
const maxLines = 20_000;

/**
 * Lines without their ends and without blanks there, of a file that may have those of Windows: a pattern that ends
 * with `\s*$` takes the square of a line's length.
 */
export function linesOf(content: Buffer | string): string[] {
  return textOf(content, maxTextBytes)
    .split('\n', maxLines)
    .map((line) => line.trimEnd());
}

/** Words of a shell: quotes taken away, `#` begins a comment at the beginning of a word. Nothing is expanded. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === ' ' || char === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) break;
    else if (char === "'" || char === '"') {
      const end = closing(line, at);
      const inner = line.slice(at + 1, end);
      word = (word ?? '') + (char === '"' ? inner.replace(/\\([\\"$`])/g, '$1') : inner);
      at = end;
    } else if (char === '\\' && at + 1 < line.length) word = (word ?? '') + line[++at]!;
    else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Where the quote at `at` ends; the end of the line where it does not. */
export function closing(text: string, at: number): number {
  const quote = text[at]!;
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === quote) return i;
    if (text[i] === '\\' && quote === '"') i++;
  }
  return text.length;
}

/** `KEY=value` lines as a shell reads them: /etc/sysconfig, /etc/default. */
export function shellAssignments(content: Buffer | string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of linesOf(content)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (match !== null) found.set(match[1]!, shellWords(match[2]!)[0] ?? '');
  }
  return found;
}

export interface IniSection {
  readonly name: string;
  /** In order; a key may come more than once. */
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/** `[Section]` and `Key=value`, as systemd and NetworkManager write it. Sections of one name stay apart. */
export function iniSections(content: Buffer | string): IniSection[] {
  const sections: { name: string; entries: [string, string][] }[] = [];
  for (const line of linesOf(content)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const head = /^\s*\[([^\]]*)\]$/.exec(line);
    if (head !== null) {
      sections.push({ name: head[1]!, entries: [] });
      continue;
    }
    const equals = line.indexOf('=');
    if (equals > 0)
      sections.at(-1)?.entries.push([line.slice(0, equals).trim(), line.slice(equals + 1).trim()]);
  }
  return sections;
}

/** All values of a key in all sections of a name; an empty one takes those before it back, as in systemd. */
export function iniValues(sections: readonly IniSection[], name: string, key: string): string[] {
  let values: string[] = [];
  for (const section of sections) {
    if (section.name !== name) continue;
    for (const [k, value] of section.entries) {
      if (k === key) values = value === '' ? [] : [...values, value];
    }
  }
  return values;
}
