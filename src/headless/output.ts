/** What a command prints: text for people, one JSON value a line for machines. */
import { describeFailure, type Failure } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import { plainText, steering } from '../model/plain-text.ts';

export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** A result, on standard output. */
  line(text: string): void;
  /** One value, one line, on standard output. */
  value(data: unknown): void;
  /** A remark, on standard error; nothing with --quiet. */
  remark(text: string): void;
  error(failure: Failure): void;
  /** The progress line, drawn over itself on a terminal; nothing elsewhere. */
  progress(text: string): void;
  progressDone(): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

export function terminalOutput(options: OutputOptions): Output {
  const live =
    process.stderr.isTTY === true && !options.quiet && !options.json && process.env.TERM !== 'dumb';
  let drawn = false;
  const say = (text: string) => process.stderr.write(`${plainText(text)}\n`);
  const clear = () => {
    if (drawn) process.stderr.write('\r\x1b[K');
    drawn = false;
  };
  return {
    ...options,
    line(text) {
      clear();
      process.stdout.write(`${plainText(text)}\n`);
    },
    value: (data) => void process.stdout.write(`${jsonLine(data)}\n`),
    remark(text) {
      if (options.quiet || options.json) return;
      clear();
      say(text);
    },
    error(failure) {
      clear();
      if (options.json) process.stdout.write(`${jsonLine({ type: 'error', ...failure })}\n`);
      say(`vmferry: ${describeFailure(failure)}`);
    },
    progress(text) {
      if (!live) return;
      const width = process.stderr.columns || 80; // 0 where nobody has set it
      process.stderr.write(`\r\x1b[K${plainText(text).slice(0, width - 1)}`);
      drawn = true;
    },
    progressDone: clear,
  };
}

export { plainText };

/** The same value to who parses it; JSON's own escapes are for the first 32 characters only. */
export const jsonLine = (data: unknown): string =>
  JSON.stringify(data).replace(
    steering,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

export function findingLine(finding: Finding): string {
  const evidence = finding.evidence === undefined ? '' : ` (${finding.evidence})`;
  const remedy = finding.remedy === undefined ? '' : `; ${finding.remedy}`;
  return `${finding.severity}: ${finding.message}${evidence}${remedy}`;
}

/** Columns padded to their widest cell; the last one is left as it is. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const plain = rows.map((row) => row.map(plainText));
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...plain.map((row) => row[i]?.length ?? 0)));
  return plain.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** With what is around the image as a whole, the outermost first: `zstd › qcow2`. */
export const formatOf = (disk: {
  readonly format?: string | undefined;
  readonly packed?: readonly string[];
}): string => [...(disk.packed ?? []), disk.format ?? '?'].join(' › ');
