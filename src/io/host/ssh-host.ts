/** A host behind SSH. */
import { MiB } from '../../model/units.ts';
import type { Tell } from '../retrying.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { agentFiles } from './agent/agent-files.ts';
import { type Become, Lanes } from './agent/lanes.ts';
import { behindMark, framed, mostNoise, noCommands, skipToMark } from './framed-output.ts';
import type { Host } from './host.ts';
import { sftpFiles } from './sftp-files.ts';
import { SshLink } from './ssh-link.ts';
import { noSuchCommand, startOverSsh } from './ssh-running.ts';

/** Closing it closes the connection. `tell`: of connections that were lost, for a log. */
export function sshHost(
  connection: SshConnection,
  { tell }: { readonly tell?: Tell | undefined } = {},
): Host {
  const inC = (args: readonly string[]) => ['env', 'LC_ALL=C', ...args];
  const link = new SshLink(connection, { tell });
  const plain = sftpFiles(link);
  const opened: Lanes[] = [];
  const filesThrough = (become?: Become) => {
    const lanes = new Lanes(link, { become, tell });
    opened.push(lanes);
    return agentFiles(lanes, plain);
  };
  return {
    name: connection.name,
    here: false,
    files: filesThrough(),
    filesAs: filesThrough,
    describe: () =>
      opened.map((lanes) => lanes.describe()).find((words) => words !== 'no helper yet') ?? 'SFTP',
    async run(args, options = {}) {
      const { signal, maximumBytes = 16 * MiB, ...rest } = options;
      const standing = await link.current(signal);
      const { args: all, mark } = framed(inC(args));
      const most = { ...rest, name: args[0]!, maximumBytes: maximumBytes + mostNoise };
      const result = await standing.exec(all, signal === undefined ? most : { ...most, signal });
      const stdout = behindMark(result.stdout, mark);
      if (stdout === undefined) {
        throw noCommands(connection.name, result.stdout.toString('utf8', 0, 1000), result.stderr);
      }
      // What env(1) and the shell say of a command that isn't there.
      if (result.code === 127) throw noSuchCommand(args[0]!, connection.name);
      return { ...result, stdout };
    },
    async spawn(args, { signal } = {}) {
      const { args: all, mark } = framed(inC(args));
      const running = await startOverSsh(await link.current(signal), all, { name: args[0]!, signal });
      return skipToMark(running, mark, connection.name);
    },
    async close() {
      for (const lanes of opened) lanes.close();
      await link.close();
    },
  };
}
