/** Text cut or padded to cells. Names come from foreign files: control characters in them are never printed. */
import stringWidth from 'string-width';

const ascii = /^[\x20-\x7e]*$/;
// Controls, and the marks that turn the direction of text around: a name could rewrite its row with them.
const unprintable = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const segmenter = new Intl.Segmenter();

/** The text on one line, with a space for each unprintable character. */
export const clean = (text: string): string => (ascii.test(text) ? text : text.replace(unprintable, ' '));

/** Width in cells. */
export const widthOf = (text: string): number => (ascii.test(text) ? text.length : stringWidth(text));

export interface FitOptions {
  readonly ellipsis?: string;
  /** Which part gives way: `end` by default; `middle` keeps a file's extension. */
  readonly cut?: 'end' | 'middle' | 'start';
  readonly align?: 'left' | 'right';
}

/** At most `width` cells. */
export function truncate(text: string, width: number, options: FitOptions = {}): string {
  const line = clean(text);
  if (width <= 0) return '';
  if (widthOf(line) <= width) return line;
  const { ellipsis = '…', cut = 'end' } = options;
  const room = width - widthOf(ellipsis);
  if (room <= 0) return ellipsis.slice(0, width);
  if (cut === 'end') return takeStart(line, room) + ellipsis;
  if (cut === 'start') return ellipsis + takeEnd(line, room);
  const tail = Math.floor(room / 2);
  return takeStart(line, room - tail) + ellipsis + takeEnd(line, tail);
}

/** Exactly `width` cells. */
export function fitTo(text: string, width: number, options: FitOptions = {}): string {
  const cut = truncate(text, width, options);
  const space = ' '.repeat(Math.max(0, width - widthOf(cut)));
  return options.align === 'right' ? space + cut : cut + space;
}

function takeStart(text: string, width: number): string {
  if (ascii.test(text)) return text.slice(0, width);
  let taken = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += stringWidth(segment);
    if (used > width) break;
    taken += segment;
  }
  return taken;
}

function takeEnd(text: string, width: number): string {
  if (ascii.test(text)) return width === 0 ? '' : text.slice(-width);
  let taken = '';
  let used = 0;
  for (const { segment } of [...segmenter.segment(text)].reverse()) {
    used += stringWidth(segment);
    if (used > width) break;
    taken = segment + taken;
  }
  return taken;
}

/**
 * Lines of at most `width` cells, broken at spaces where possible. Lines that follow are indented by `hang`,
 * or as the first one is.
 */
export function wrap(text: string, width: number, hang?: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(clean(line), Math.max(1, width), hang));
}

/** The same in `rows` lines at most: the last one is cut off then. */
export function wrapWithin(text: string, width: number, rows: number, options: FitOptions): string[] {
  const lines = wrap(text, width);
  if (lines.length <= rows) return lines;
  return [...lines.slice(0, rows - 1), truncate(lines.slice(rows - 1).join(' '), width, options)];
}

// A number stays with its unit.
const words = / *(?:[\d.]+ (?:B|[KMGTP]iB)(?![a-z])[^ ]*|[^ ]+)/gi;

function wrapLine(line: string, width: number, hang?: number): string[] {
  if (widthOf(line) <= width) return [line];
  const own = (/^ */.exec(line)?.[0] ?? '').length;
  const indent = ' '.repeat(Math.min(hang ?? own, Math.floor(width / 2)));
  const lines: string[] = [];
  let current = '';
  for (const word of line.match(words) ?? []) {
    if (widthOf(current) + widthOf(word) <= width) {
      current += word;
      continue;
    }
    if (current.trim() !== '') lines.push(current);
    let rest = indent + word.trimStart();
    while (widthOf(rest) > width) {
      const part = takeStart(rest, width) || [...rest][0] || '';
      lines.push(part);
      rest = indent + rest.slice(part.length);
    }
    current = rest;
  }
  return current.trim() === '' && lines.length > 0 ? lines : [...lines, current];
}
