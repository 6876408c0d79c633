/** `ls`, `cat` and `cp`: files inside a guest. */
import { resolve } from 'node:path';
import type { Composed } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { GuestEntry } from '../state/events.ts';
import type { CommonOptions } from './common-options.ts';
import { guestPath } from './guest-path.ts';
import { type Output, plainText, table, terminalOutput } from './output.ts';
import { connectTo, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

export interface FilesOptions extends CommonOptions, Trust {
  readonly volume?: string;
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly force?: boolean;
}

interface Wanted {
  readonly id: string;
  readonly path: string;
  readonly volume?: string;
}

async function inGuest(
  text: string,
  options: FilesOptions,
  output: Output,
  work: (composed: Composed, wanted: Wanted) => Promise<void>,
): Promise<number> {
  const { image, path } = await guestPath(text);
  const { volume } = options;
  return withDispatcher(options, async (composed) => {
    const id = await connectTo(composed, image, options);
    composed.dispatcher.watch((event) => {
      if (event.type === 'guest-remark') output.remark(event.text);
    });
    tellSteps(composed, output);
    await work(composed, { id, path, ...(volume === undefined ? {} : { volume }) }).finally(() =>
      output.progressDone(),
    );
    return 0;
  });
}

export async function ls(text: string, options: FilesOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const long = options.long === true || output.json;
  return inGuest(text, options, output, async ({ dispatcher }, wanted) => {
    let entries: readonly GuestEntry[] = [];
    const stop = dispatcher.watch((event) => {
      if (event.type === 'guest-entries') entries = event.entries;
    });
    await dispatcher.perform({ type: 'list-files', ...wanted, long }).finally(stop);
    const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    output.progressDone();
    if (output.json) for (const entry of sorted) output.value(entry);
    else if (long) for (const line of longLines(sorted)) output.line(line);
    else for (const { name } of sorted) output.line(name);
  });
}

/** As ls -l, numbers for the owners: their names are the guest's own. */
export function longLines(entries: readonly GuestEntry[]): string[] {
  const widest = Math.max(0, ...entries.map(({ size }) => String(size ?? '').length));
  return table(
    entries.map(({ name, kind, size, mode, uid, gid, modifiedAt, target }) => [
      modeInWords(kind, mode),
      `${uid ?? '-'}:${gid ?? '-'}`,
      String(size ?? '').padStart(widest),
      timeInWords(modifiedAt),
      target === undefined ? name : `${name} -> ${target}`,
    ]),
  );
}

const kinds = { file: '-', folder: 'd', link: 'l', other: '?' } as const;

function modeInWords(kind: GuestEntry['kind'], mode: number | undefined): string {
  const first = kind === undefined ? '?' : kinds[kind];
  if (mode === undefined) return `${first}---------`;
  const bits = [...'rwxrwxrwx'].map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-'));
  // Set-user-ID, set-group-ID and sticky take the place of the three x.
  for (const [bit, at, letter] of [
    [11, 2, 's'],
    [10, 5, 's'],
    [9, 8, 't'],
  ] as const)
    if ((mode >> bit) & 1) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  return first + bits.join('');
}

/** The last second of the year 9999. */
const lastSecond = 253_402_300_799;

const timeInWords = (seconds: number | undefined): string =>
  seconds === undefined || Math.abs(seconds) > lastSecond
    ? '-'
    : new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');

export async function cat(text: string, options: FilesOptions): Promise<number> {
  const output = terminalOutput({ json: false, quiet: false });
  return inGuest(text, options, output, async ({ dispatcher }, wanted) => {
    let left = false;
    const take = async (bytes: Uint8Array) => {
      left = !(await toStdout(bytes));
      if (left) throw new AppError('cancelled', 'whoever read it has left');
    };
    await dispatcher.perform({ type: 'read-file', ...wanted, take }).catch((error) => {
      if (!left) throw error;
    });
  });
}

/** Resolves when the bytes are handed over, to false when the reader has left (`| head -1`). */
function toStdout(bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
      else resolve(!error);
    });
  });
}

export async function cp(text: string, to: string, options: FilesOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  return inGuest(text, options, output, async ({ dispatcher }, wanted) => {
    dispatcher.watch((event) => {
      if (event.type !== 'files-copied') return;
      const { machine: _machine, type: _type, ...copied } = event;
      if (output.json) output.value(copied);
      else output.remark(inWords(copied));
    });
    await dispatcher.perform({
      type: 'copy-files',
      ...wanted,
      to: resolve(to),
      recursive: options.recursive === true,
      force: options.force === true,
    });
  });
}

function inWords(copied: {
  readonly files: number;
  readonly links: number;
  readonly bytes: number;
  readonly skipped: number;
}): string {
  const { files, links, bytes, skipped } = copied;
  const parts = [
    `${files} ${files === 1 ? 'file' : 'files'}`,
    ...(links === 0 ? [] : [`${links} ${links === 1 ? 'link' : 'links'}`]),
    formatBytes(bytes),
    ...(skipped === 0 ? [] : [`${skipped} left out`]),
  ];
  return plainText(`copied ${parts.join(', ')}`);
}
