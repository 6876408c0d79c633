/**
 * VMware's configuration files (.vmx, .vmsd, .vmls, preferences): lines `key = "value"`. Keys differ in case from
 * product to product; in a value `|22` is the byte 0x22. `.encoding` names what the text is written in.
 */
import { AppError } from '../../model/errors.ts';
import { decodeText, type TextEncoding } from './text-encoding.ts';

export interface Dictionary {
  /** The value, unescaped; keys in any case. */
  get(key: string): string | undefined;
  /** Keys in lower case, in the file's order. */
  keys(): IterableIterator<string>;
  /** Keys, in lower case, that are there again with another value; the first one counts. */
  readonly repeated: readonly string[];
}

/** @throws AppError `corrupt` for what is no text. */
export function parseDictionary(bytes: Uint8Array, where: string): Dictionary {
  const { text, decode } = decodeText(bytes, where);
  const values = new Map<string, string>();
  const repeated = new Set<string>();
  for (const line of text.split(/\r\n|\n|\r/)) {
    const found = parseLine(line, decode);
    if (found === undefined) continue;
    const [key, value] = found;
    const before = values.get(key);
    // Workstation refuses such a file; that of others is read all the same.
    if (before === undefined) values.set(key, value);
    else if (before !== value) repeated.add(key);
  }
  return { get: (key) => values.get(key.toLowerCase()), keys: () => values.keys(), repeated: [...repeated] };
}

/** Undefined for an empty line, a comment (old files begin with `#!/usr/bin/vmware`), and stray words. */
function parseLine(line: string, decode: TextEncoding['decode']): [string, string] | undefined {
  const equals = line.indexOf('=');
  if (equals < 0) return undefined;
  const key = line.slice(0, equals).trim().toLowerCase();
  if (key === '' || /[\s"#]/.test(key)) return undefined;
  const rest = line.slice(equals + 1).trim();
  const raw = rest.startsWith('"') ? quoted(rest) : rest.split('#', 1)[0]!.trimEnd();
  return [key, unescaped(raw, decode)];
}

/** What follows the closing quote is a comment; without one the value is all there is. */
function quoted(rest: string): string {
  const end = rest.indexOf('"', 1);
  return rest.slice(1, end < 0 ? undefined : end);
}

/** Bytes that follow each other may be one character. */
const unescaped = (raw: string, decode: TextEncoding['decode']): string =>
  raw.replace(/(?:\|[0-9a-f]{2})+/gi, (run) => decode(Buffer.from(run.replaceAll('|', ''), 'hex')));

/** A value as it stands between its quotes. @throws AppError `usage` for what no file can say. */
export function escapeValue(value: string): string {
  if (value.includes('\0'))
    throw new AppError('usage', `a VMware machine can't say ${JSON.stringify(value)}`);
  return value.replace(
    /["#|\x01-\x1f\x7f]/g,
    (character) => `|${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

export const dictionaryLine = (key: string, value: string | number): string =>
  `${key} = "${escapeValue(String(value))}"`;

/** `TRUE`, `true`, `1`, `yes`. */
export const isTrue = (value: string | undefined): boolean => /^(true|1|yes|y|t|on)$/i.test(value ?? '');

/** It is said, and said to be not so. */
export const isFalse = (value: string | undefined): boolean => /^(false|0|no|n|f|off)$/i.test(value ?? '');

/** A whole number of up to nine digits. */
export const wholeNumber = (value: string | undefined): number | undefined =>
  value !== undefined && /^\s*\d{1,9}\s*$/.test(value) ? Number(value) : undefined;
