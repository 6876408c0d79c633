/** Markdown of texts that come from anywhere: what they hold is shown, and does nothing. */
import { plainText } from '../../model/plain-text.ts';

/** Within a paragraph, a heading, an item or a cell. */
export const escaped = (text: string): string =>
  plainText(text)
    // An entity stays one character in a table's cell, where a backslash before `|` is not read by all in the same way.
    .replace(/[&<>|\\`*_[\]#~$!]/g, (character) =>
      /[&<>|\\`]/.test(character) ? `&#${character.charCodeAt(0)};` : `\\${character}`,
    )
    // What looks like an address is made a link otherwise.
    .replaceAll('://', ':&#47;&#47;')
    .replace(/\bwww\./gi, (www) => `${www.slice(0, 3)}&#46;`)
    .replaceAll('@', '&#64;')
    // What would begin a list, a rule, a heading's underline or indented code.
    .trimStart()
    .replace(/^[-+=]/, '\\$&')
    .replace(/^(\d+)([.)])(?=\s|$)/, '$1\\$2');

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((row) => line(row.map(escaped)))];
}

/** As it is, in a fence that no line of it can end. */
export function fenced(lines: readonly string[]): string[] {
  const plain = lines.map(plainText);
  const longest = Math.max(
    2,
    ...plain.flatMap((text) => text.match(/`+/g) ?? []).map(({ length }) => length),
  );
  const fence = '`'.repeat(longest + 1);
  return [`${fence}text`, ...plain, fence];
}
