#!/usr/bin/env node
/** The door: without a subcommand the TUI opens, subcommands run headless. Loads no more than is needed. */
import { availableParallelism } from 'node:os';
import { packageVersion } from './package-root.ts';

// Files and compression share libuv's pool; its four threads are few for both. Read when the pool first starts.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(8, availableParallelism() * 2));

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${packageVersion()}\n`);
} else if (args.length === 0) {
  const { runTui } = await import('./run-tui.ts');
  process.exit(await runTui());
} else {
  const { runHeadless } = await import('./headless/program.ts');
  const code = await runHeadless(args);
  // What goes into a pipe is written in the background: whoever reads it slowly would get its beginning alone.
  await Promise.all([process.stdout, process.stderr].map(written));
  process.exit(code);
}

function written(out: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (!out.writable) return resolve();
    out.write('', () => resolve());
  });
}
