/** Importing a plugin's code: within a time, and looked at before it is taken for a plugin. */
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { foreignError } from '../env-plugins/foreign-error.ts';
import type { EnvironmentPlugin } from '../env-plugins/plugin.ts';
import { checkedDescription, type PluginDescription } from '../env-plugins/shapes.ts';
import { AppError } from '../model/errors.ts';
import { guarded } from './guard.ts';

/** Loading is importing a few files. Milliseconds. */
const patience = 5000;

export interface ImportOptions {
  readonly patience?: number;
}

/** @throws AppError when it throws, takes too long, or is no plugin. */
export async function importPlugin(
  name: string,
  entry: string,
  options: ImportOptions = {},
): Promise<EnvironmentPlugin> {
  const who = `the plugin "${name}"`;
  let module: Record<string, unknown>;
  try {
    module = await inTime(import(pathToFileURL(entry).href), options.patience ?? patience);
  } catch (error) {
    throw foreignError(error, who);
  }
  const plugin = (module.plugin ?? module.default) as EnvironmentPlugin | undefined;
  const described = checkedDescription(plugin, who);
  if (typeof plugin?.connect !== 'function')
    throw new AppError('bug', `${who} has no function "connect"`, { hint: 'tell the author of this plugin' });
  return guarded(plugin, described);
}

function inTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate(milliseconds)), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const tooLate = (milliseconds: number): AppError =>
  new AppError('io', `it is not loaded after ${milliseconds / 1000} seconds`, {
    hint: 'a plugin connects to nothing before it is asked to',
  });

// In a thread of its own an endless loop can be ended, and process.exit ends the thread only.
const trial = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData).then(async (module) => {
  const plugin = module.plugin ?? module.default;
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { id, label, summary, roles, fields, connect } = plugin ?? {};
  parentPort.postMessage(JSON.stringify({ id, label, summary, roles, fields, connect: typeof connect }));
  process.exit(0);
}).catch((error) => {
  parentPort.postMessage(JSON.stringify({ failed: String(error?.message ?? error) }));
});
`;

/** Loads it in a thread of its own, to see that it can be. @throws AppError as `importPlugin`. */
export async function tryPlugin(
  name: string,
  entry: string,
  options: ImportOptions = {},
): Promise<PluginDescription> {
  const who = `the plugin "${name}"`;
  const worker = new Worker(trial, {
    eval: true,
    workerData: pathToFileURL(entry).href,
    stdin: true,
    stdout: true,
    stderr: true,
  });
  try {
    const told = new Promise<string>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new AppError('bug', `${who} ends the program with code ${code}`)));
    });
    const { failed, connect, ...rest } = JSON.parse(await inTime(told, options.patience ?? patience));
    if (failed !== undefined) throw new Error(failed);
    const described = checkedDescription(rest, who);
    if (connect !== 'function') throw new AppError('bug', `${who} has no function "connect"`);
    return described;
  } catch (error) {
    throw foreignError(error, who);
  } finally {
    await worker.terminate();
  }
}
