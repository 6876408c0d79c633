/** The options of `history`: which conversions, and what becomes of them. */
import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import { AppError } from '../model/errors.ts';
import type { ReportFormat } from '../state/history/export.ts';
import type { HistoryFilter } from '../state/history/filter.ts';
import { type CommonOptions, collect, type Done, withSecrets } from './common-options.ts';

export interface HistoryOptions extends CommonOptions {
  readonly outcome?: readonly (typeof outcomes)[number][];
  readonly since?: string;
  readonly until?: string;
  readonly before?: string;
  readonly machine?: string;
  readonly environment?: string;
  readonly destination?: string;
  readonly text?: string;
  readonly limit?: string;
  readonly export?: string;
  readonly exportFormat?: 'md' | 'json';
  readonly remove?: boolean;
  readonly yes?: boolean;
  readonly rerun?: boolean;
  readonly force?: boolean;
}

const outcomes = ['done', 'failed', 'cancelled', 'interrupted', 'running'] as const;

export function addHistory(program: Command, done: Done): void {
  withSecrets(program.command('history'))
    .argument('[ids...]', 'one conversion, whole; several with --remove')
    .description('earlier conversions')
    .addOption(
      new Option('--outcome <outcome>', 'only those that ended so; several times')
        .choices(outcomes)
        .argParser(outcomeOf),
    )
    .option('--since <when>', 'only those that began then or later: 2026-11-01, 2026-11-01T12:00, 7d, 12h')
    .option('--until <when>', 'only those that began then or before; of a day, to its end')
    .option('--before <when>', 'only those that began before then')
    .option('--machine <name>', 'only those of this machine; * stands for anything')
    .option('--environment <id>', 'only those from this environment: its id, or the name of a profile')
    .option('--destination <id>', 'only those to this environment')
    .option('--text <words>', 'only those in whose journal these words are')
    .option('--limit <number>', 'only so many of the newest')
    .option('--export <file>', 'write a report (.md, .json, or - for standard output)')
    .addOption(new Option('--export-format <format>', 'of the report').choices(['md', 'json']))
    .option('--json', 'one JSON value a line')
    .option('--remove', 'forget it, or all that the filters leave; what was made stays where it is')
    .option('-y, --yes', 'with --remove: do not ask')
    .option('--rerun', 'run its plan again')
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option(
      '--force',
      'replace files of the same name, with --rerun and --export; with --remove: also what could be gone on with',
    )
    .action(async (ids: string[], options) =>
      done(await (await import('./history.ts')).history(ids, options)),
    );
}

function outcomeOf(value: string, before: readonly string[] = []): string[] {
  if ((outcomes as readonly string[]).includes(value)) return [...before, value];
  throw new AppError('usage', `--outcome ${value}: no outcome is called so`, {
    hint: `there are: ${outcomes.join(', ')}`,
  });
}

/** Undefined where no option filters. @throws AppError `usage`. */
export function filterOf(options: HistoryOptions, now = Date.now()): HistoryFilter | undefined {
  const { outcome, since, until, before, machine, environment, destination, text, limit } = options;
  const ends = [
    ...(until === undefined ? [] : [timeOf('until', until, now).end]),
    ...(before === undefined ? [] : [timeOf('before', before, now).at]),
  ];
  const filter: HistoryFilter = {
    ...(outcome === undefined ? {} : { outcomes: outcome }),
    ...(since === undefined ? {} : { since: timeOf('since', since, now).at }),
    ...(ends.length === 0 ? {} : { before: Math.min(...ends) }),
    ...(machine === undefined ? {} : { machine }),
    ...(environment === undefined ? {} : { source: environment }),
    ...(destination === undefined ? {} : { destination }),
    ...(text === undefined ? {} : { text: text.trim() }),
    ...(limit === undefined ? {} : { limit: limitOf(limit) }),
  };
  return Object.keys(filter).length === 0 ? undefined : filter;
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;

/** `end`: after the whole of what was said. Times are UTC, as the list shows them, unless they say otherwise. */
function timeOf(option: string, text: string, now: number): { at: number; end: number } {
  const ago = /^(\d{1,6})([mhdw])$/.exec(text);
  if (ago !== null) {
    const at = now - Number(ago[1]) * units[ago[2] as keyof typeof units];
    return { at, end: at };
  }
  const date = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (date !== null) {
    const [, day, minute = '00:00', second = ':00', zone = 'Z'] = date;
    const at = Date.parse(`${day}T${minute}${second}${zone}`);
    const whole = date[2] === undefined ? units.d : date[3] === undefined ? units.m : 1000;
    // The 30th of February would be taken for a day of March.
    const midnight = Date.parse(`${day}T00:00Z`);
    const real = !Number.isNaN(at + midnight) && new Date(midnight).toISOString().startsWith(day!);
    if (real) return { at, end: at + whole };
  }
  throw new AppError('usage', `--${option} ${text}: this is no time`, {
    hint: 'write it as 2026-11-01, 2026-11-01T12:30, or 30m, 12h, 7d, 2w for so long ago',
  });
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new AppError('usage', `--limit ${text}: it takes a whole number from 1`);
}

/** By the name's extension, unless it is said. @throws AppError `usage`. */
export function reportFormat({ export: path = '-', exportFormat, json }: HistoryOptions): ReportFormat {
  if (exportFormat !== undefined) return exportFormat === 'md' ? 'markdown' : 'json';
  const extension = extname(path).toLowerCase();
  if (extension === '.json') return 'json';
  if (extension === '.md' || extension === '.markdown') return 'markdown';
  if (path === '-') return json ? 'json' : 'markdown';
  throw new AppError('usage', `${path}: the name does not say which report is wanted`, {
    hint: 'let it end with .md or .json, or say --export-format',
  });
}
