/**
 * A running machine stands still while its disks are read: its console takes `stop` and `go`, and it has no
 * snapshots. Before that its kernel is asked to write out what it has in memory.
 */
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { Hold, HoldOptions } from '../plugin.ts';

/** How long a machine is given for its sync, ms; it does not tell when it is done. */
const syncMs = 1500;
/** Its console does not answer when its kernel hangs, or is gone, and the tool waits for ever. */
const patienceMs = 15_000;

export async function holdMachine(
  host: Host,
  machine: Machine,
  umid: string | undefined,
  { signal, report }: HoldOptions,
): Promise<Hold> {
  if (umid === undefined) throw cannot('it runs without a umid, so its console has no name');
  const console = async (...words: string[]) => {
    const { code, stdout, stderr } = await mconsole(host, umid, words, signal);
    const said = stdout.toString().trim() || stderr.trim();
    if ((code !== 0 || said.startsWith('ERR')) && !/not stopped/i.test(said)) throw cannot(said);
  };
  report(`${machine.name}: writing out, then standing still while it is read`);
  // One that an earlier run left standing goes on first: it can't write out otherwise.
  await console('go');
  await console('sysrq', 's');
  await new Promise((resolve) => setTimeout(resolve, syncMs));
  await console('stop');
  return {
    machine,
    findings: [
      {
        rule: 'uml.stands-still',
        severity: 'note',
        message: 'it stands still while its disks are read, and goes on afterwards',
        evidence: `umid ${umid}`,
      },
    ],
    async release() {
      // The signal may be aborted: it must go on all the same.
      const result = await mconsole(host, umid, ['go']).catch((error: Error) => error);
      if (!(result instanceof Error) && result.code === 0) return [];
      const why = result instanceof Error ? result.message : result.stderr.trim();
      return [`${machine.name} still stands: ${why}; let it go on with "uml_mconsole ${umid} go"`];
    },
  };
}

async function mconsole(host: Host, umid: string, words: readonly string[], signal?: AbortSignal) {
  const late = AbortSignal.timeout(patienceMs);
  const either = signal === undefined ? late : AbortSignal.any([signal, late]);
  try {
    return await host.run(['uml_mconsole', umid, ...words], { signal: either });
  } catch (error) {
    if (!late.aborted || signal?.aborted) throw error;
    throw cannot('its console does not answer');
  }
}

const cannot = (why: string): AppError =>
  new AppError('unsupported', `the machine runs and can't be told to stand still: ${why}`, {
    hint: 'shut it down, or start it with umid=NAME and install uml-utilities (uml_mconsole) on its host',
  });
