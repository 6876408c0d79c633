/** `run`: plans from files. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { AppError, toAppError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';
import type { AwayOptions } from './away-options.ts';
import { carryOut } from './carry-out.ts';
import type { CommonOptions } from './common-options.ts';
import { terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export async function runPlanFiles(
  files: readonly string[],
  options: CommonOptions & AwayOptions & { readonly force?: boolean },
): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  const read = await Promise.all(files.map(async (file) => parsePlans(await readText(file), file)));
  const plans = read.flat().map((plan) => (options.force ? { ...plan, force: true } : plan));
  return withDispatcher(options, (composed) => carryOut(composed, plans, options, output));
}

async function readText(file: string): Promise<string> {
  try {
    // Not /dev/stdin, which can't be opened where it is a socket.
    return await (file === '-' ? text(process.stdin) : readFile(file, 'utf8'));
  } catch (error) {
    throw toAppError(error);
  }
}

async function parsePlans(text: string, where: string): Promise<Plan[]> {
  const { parsePlan } = await import('../convert/parse-plan.ts');
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new AppError('usage', 'not a plan: no JSON', { where, hint: 'make it with "vmferry plan"', cause });
  }
  return (Array.isArray(data) ? data : [data]).map(parsePlan);
}
