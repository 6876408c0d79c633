/** The commands for runs in processes of their own. Each action is a module of its own, loaded when it is called. */
import type { Command } from 'commander';
import type { Done } from './common-options.ts';

export function addAway(program: Command, done: Done): void {
  program
    .command('attach')
    .argument('[run]', 'its id; not needed where only one lives')
    .description('look at a run that was left to itself, and answer what it asks; Ctrl+C leaves it again')
    .option('--json', 'one event a line; nothing is answered')
    .option('-q, --quiet', 'no progress, no remarks')
    .action(async (id: string | undefined, options) =>
      done(await (await import('./attach.ts')).attach(id, options)),
    );
  program
    .command('runs')
    .description(
      'the runs that live in processes of their own: progress, rate, place in the queue, start time',
    )
    .option('--json', 'one JSON value a line')
    .option('--cancel <run>', 'end this one and take back what it has written')
    .option('--pause <run>', 'stop its reading and writing')
    .option('--continue <run>', 'let it go on')
    .option('--limit <run=bytes>', 'let it read at most so many bytes a second, such as ID=20M; ID=none')
    .action(async (options) => done(await (await import('./runs.ts')).runs(options)));
  program
    .command('run-process', { hidden: true })
    .argument('<id>')
    .description('the process of a run: begun by vmferry, which hands it over by a pipe')
    .action(async (id: string) => done(await (await import('./run-process.ts')).runProcess(id)));
}
