/** The host's own tools: `vzlist` and `vzctl` (OpenVZ 6 and 7), `prlctl` (Virtuozzo 7). */
import type { Host, RunResult } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import { rootHint } from './container.ts';
import { isCtid } from './ctid.ts';

/** As the tools say it: `running`, `stopped`, `mounted`, `suspended`, `paused`. */
export type States = ReadonlyMap<string, string>;

/** Where a login has no `sbin` in its PATH. */
const places = ['', '/usr/sbin/', '/usr/bin/'];

/** Undefined where there is no such tool. @throws AppError `unreachable`, `cancelled`. */
export async function runTool(
  host: Host,
  [name, ...args]: readonly [string, ...string[]],
  signal?: AbortSignal,
): Promise<RunResult | undefined> {
  for (const place of places) {
    try {
      return await host.run([place + name, ...args], { signal });
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
    }
  }
  return undefined;
}

/**
 * Undefined where none of the tools is there: then the files are all there is. The output of `vzlist -H -o` is what
 * OpenVZ 6 and 7 have in common (7 has no `-j`).
 * @throws AppError `auth` where they are there and say no: what runs must not be taken for what does not.
 */
export async function statesOf(host: Host, signal?: AbortSignal): Promise<States | undefined> {
  const listed = await runTool(host, ['vzlist', '-a', '-H', '-o', 'ctid,status'], signal);
  if (listed?.code === 0) return statesFromVzlist(listed.stdout.toString());
  // What it says where there is none.
  if (listed !== undefined && /containers?(\(s\))? (is |are )?not found/i.test(listed.stderr))
    return new Map();
  const told = await runTool(host, ['prlctl', 'list', '--vmtype', 'ct', '-a', '-j'], signal);
  if (told?.code === 0) return statesFromPrlctl(told.stdout.toString());
  const failed = told ?? listed;
  if (failed === undefined) return undefined;
  const why = failed.stderr.trim().slice(0, 300) || `it ends with ${failed.code}`;
  throw new AppError(
    'auth',
    `${told === undefined ? 'vzlist' : 'prlctl'} does not list the containers: ${why}`,
    {
      where: host.name,
      hint: rootHint,
    },
  );
}

export function statesFromVzlist(text: string): States {
  const states = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [ctid = '', status] = line.trim().split(/\s+/);
    if (isCtid(ctid) && status !== undefined) states.set(ctid.toLowerCase(), status);
  }
  return states;
}

/** @throws AppError `corrupt`. */
export function statesFromPrlctl(text: string): States {
  let list: unknown;
  try {
    list = text.trim() === '' ? [] : JSON.parse(text);
  } catch (error) {
    throw new AppError('corrupt', 'the answer of prlctl is not JSON', { cause: error });
  }
  const states = new Map<string, string>();
  if (!Array.isArray(list)) throw new AppError('corrupt', 'the answer of prlctl is not a list');
  for (const one of list as unknown[]) {
    const { uuid, status } = (one ?? {}) as { uuid?: unknown; status?: unknown };
    const ctid = typeof uuid === 'string' ? uuid.replace(/[{}]/g, '') : '';
    if (isCtid(ctid) && typeof status === 'string') states.set(ctid.toLowerCase(), status);
  }
  return states;
}
