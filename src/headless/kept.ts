/** `kept`: copies of machines that conversions have kept. */
import { resolve } from 'node:path';
import type { Composed } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import { type KeptState, type KeptSummary, stageWords } from '../state/kept.ts';
import type { CommonOptions } from './common-options.ts';
import { type Output, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';
import { askOnTerminal } from './terminal-question.ts';

export interface KeptOptions extends CommonOptions {
  readonly remove?: boolean;
  readonly before?: string;
  readonly in?: string;
  readonly yes?: boolean;
}

export async function kept(ids: readonly string[], options: KeptOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const before = await timeOf(options.before);
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    await dispatcher.perform({ type: 'kept', ...folderOf(options) });
    const store = dispatcher.getState().kept!;
    const chosen = choose(store, ids, before);
    if (options.remove)
      return remove(composed, chosen, ids.length > 0 || before !== undefined, options, output);
    tellAll({ ...store, copies: chosen }, output);
    return 0;
  });
}

const folderOf = ({ in: folder }: KeptOptions) => (folder === undefined ? {} : { folder: resolve(folder) });

async function timeOf(before: string | undefined): Promise<number | undefined> {
  if (before === undefined) return undefined;
  const { filterOf } = await import('./history-options.ts');
  return filterOf({ before })?.before;
}

/** @throws AppError `not-found`. */
function choose(
  { copies, folder }: KeptState,
  ids: readonly string[],
  before: number | undefined,
): readonly KeptSummary[] {
  const missing = ids.find((id) => copies.every((copy) => copy.id !== id));
  if (missing !== undefined)
    throw new AppError('not-found', `there is no kept copy "${missing}"`, {
      where: folder,
      hint: 'see "vmferry kept"',
    });
  return copies
    .filter(({ id }) => ids.length === 0 || ids.includes(id))
    .filter(({ keptAt }) => before === undefined || keptAt < before);
}

async function remove(
  composed: Composed,
  copies: readonly KeptSummary[],
  said: boolean,
  options: KeptOptions,
  output: Output,
): Promise<number> {
  if (!said)
    throw new AppError('usage', 'which one is missing', {
      hint: 'give its id, or those before a time such as --before 30d',
    });
  if (copies.length === 0) {
    output.remark('no kept copy is meant');
    return 0;
  }
  if (options.yes !== true && !(await confirmed(composed, copies, output))) {
    output.remark('nothing was removed');
    return 1;
  }
  const { dispatcher } = composed;
  const stop = dispatcher.watch((event) => {
    if (event.type !== 'kept-removed') return;
    if (output.json) output.value(event);
    else output.remark(`removed: ${event.id}, ${formatBytes(event.bytes)}`);
  });
  const ids = copies.map(({ id }) => id);
  await dispatcher.perform({ type: 'kept-remove', ids, ...folderOf(options) }).finally(stop);
  return 0;
}

/** @throws AppError `usage` where nobody can be asked. */
async function confirmed(
  { services }: Composed,
  copies: readonly KeptSummary[],
  output: Output,
): Promise<boolean> {
  const what = copies.length === 1 ? '1 kept copy' : `${copies.length} kept copies`;
  if (services.canAnswer !== true) {
    throw new AppError('usage', `${what} would be removed, and nobody can be asked`, {
      hint: 'say --yes; without --remove they are listed',
    });
  }
  for (const line of table(copies.map(row))) output.remark(line);
  const text = `Remove ${what}, ${formatBytes(sizeOf(copies))}, for good? [y/N]`;
  const signal = new AbortController().signal;
  const answer = await askOnTerminal({ id: 0, text, from: 'vmferry', entry: 'shown' }, { signal });
  return /^y(es)?$/i.test(answer?.trim() ?? '');
}

const sizeOf = (copies: readonly KeptSummary[]): number => copies.reduce((sum, { bytes }) => sum + bytes, 0);

function tellAll(store: KeptState, output: Output): void {
  if (output.json) return output.value(store);
  const { copies, folder, freeBytes } = store;
  if (copies.length > 0)
    for (const line of table([['ID', 'KEPT (UTC)', 'MACHINE', 'SIZE', 'WHAT'], ...copies.map(row)]))
      output.line(line);
  const free = freeBytes === undefined ? '' : `; ${formatBytes(freeBytes)} are free there`;
  output.remark(
    copies.length === 0
      ? `nothing is kept in ${folder}${free}`
      : `${formatBytes(sizeOf(copies))} in ${folder}${free}; convert one with: vmferry convert --env kept ID`,
  );
}

const row = (copy: KeptSummary): string[] => [
  copy.id,
  new Date(copy.keptAt).toISOString().slice(0, 16).replace('T', ' '),
  copy.name ?? '-',
  formatBytes(copy.bytes),
  whatItIs(copy),
];

function whatItIs({ status, stage, title, problem }: KeptSummary): string {
  if (status === 'half-made') return 'half made: its run goes on, or was cut';
  if (status === 'broken') return `broken: ${problem}`;
  return `${stageWords[stage]}, of "${title}"`;
}
