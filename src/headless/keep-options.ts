/** The options of copies that a conversion keeps, and the command that shows them. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Composed } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { type KeepPlace, type KeepStage, keepStages } from '../model/plan.ts';
import type { KeepDraft } from '../state/state.ts';
import type { Done } from './common-options.ts';

export interface KeepOptions {
  /** True without a value. */
  readonly keep?: string | true;
  readonly keepIn?: string;
  readonly keepFormat?: 'qcow2' | 'raw';
}

export const withKeep = (command: Command): Command =>
  command
    .option(
      '--keep [stages]',
      'keep a copy here as well: extracted (as it was read), changed (after the changes inside), converted (as delivered), several with commas; see vmferry kept',
    )
    .option('--keep-in <place>', 'keep it in this folder, or in PROFILE:FOLDER behind SSH')
    .addOption(
      new Option('--keep-format <format>', 'of copies that are not as delivered').choices(['qcow2', 'raw']),
    );

/** Each of them says that it is wanted. @throws AppError `usage`. */
export async function keepDraft(composed: Composed, options: KeepOptions): Promise<{ keep?: KeepDraft }> {
  const { keep, keepIn, keepFormat } = options;
  if (keep === undefined && keepIn === undefined && keepFormat === undefined) return {};
  const draft: KeepDraft = {
    stages: stagesOf(keep ?? true),
    ...(keepFormat === undefined ? {} : { format: keepFormat }),
    ...(keepIn === undefined ? {} : { place: await placeOf(composed, keepIn) }),
  };
  return { keep: draft };
}

export function stagesOf(given: string | true): KeepStage[] {
  if (given === true) return ['extracted'];
  const names = given.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !(keepStages as readonly string[]).includes(name));
  if (wrong !== undefined || names.length === 0) {
    throw new AppError('usage', `--keep ${given}: it takes ${keepStages.join(', ')}, with commas between`, {
      hint: 'where an image follows, say --keep=extracted',
    });
  }
  return keepStages.filter((stage) => names.includes(stage));
}

/** A folder that is there, else PROFILE:FOLDER, else a folder. */
async function placeOf({ services }: Composed, given: string): Promise<KeepPlace> {
  const colon = given.indexOf(':');
  const isThere = await stat(given).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const name = given.slice(0, colon);
  const profile =
    isThere || colon <= 0 ? undefined : (await services.profiles.list()).find((p) => p.name === name);
  if (profile === undefined) {
    if (given.trim() === '') throw new AppError('usage', '--keep-in takes a folder');
    return { folder: resolve(given) };
  }
  if (profile.environment !== 'ssh') {
    throw new AppError(
      'usage',
      `--keep-in ${given}: "${name}" is not a host for files (${profile.environment})`,
      {
        hint: 'name a profile of "Disk files over SSH", or a folder here',
      },
    );
  }
  const folder = given.slice(colon + 1);
  if (folder === '') throw new AppError('usage', `--keep-in ${given}: the folder is missing`);
  return { environment: 'ssh', profile: profile.id, settings: { folder } };
}

export function addKept(program: Command, done: Done): void {
  program
    .command('kept')
    .argument('[ids...]', 'only these')
    .description('copies of machines that conversions kept (--keep), and what they take')
    .option('--in <folder>', 'those in this folder, not in the store')
    .option('--before <when>', 'only those kept before then: 30d, 12h, 2026-11-01')
    .option('--remove', 'remove them for good')
    .option('-y, --yes', 'with --remove: do not ask')
    .option('--json', 'one JSON value')
    .action(async (ids: string[], options) => done(await (await import('./kept.ts')).kept(ids, options)));
}
