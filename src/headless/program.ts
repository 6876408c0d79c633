/** The commands and their options. Each action is a module of its own, loaded when it is called. */
import { Command, CommanderError } from 'commander';
import { toAppError, toFailure } from '../model/errors.ts';
import { packageVersion } from '../package-root.ts';
import { addAway } from './away-commands.ts';
import type { CommonOptions, Done } from './common-options.ts';
import { addConvert, addResume, addRun, addUndo } from './convert-commands.ts';
import { exitCode } from './exit-codes.ts';
import { addHistory } from './history-options.ts';
import { addKept } from './keep-options.ts';
import { addCheck, addFiles, addInspect, addList, addServe, addVerify } from './look-commands.ts';
import { terminalOutput } from './output.ts';

/** Runs one command. Resolves to the exit code; every error has been printed. */
export async function runHeadless(args: readonly string[]): Promise<number> {
  let code = 0;
  let deaf: Error | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever read us has left (`| head -1`): that is no failure of the work.
      if (error.code !== 'EPIPE') deaf = error;
    });
  }
  const program = makeProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    await new Promise((resolve) => setImmediate(resolve)); // the streams tell what went wrong afterwards
    if (deaf !== undefined) throw toAppError(deaf);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const failure = toFailure(error);
    const { json = false, quiet = false } = args.includes('--json') ? { json: true } : {};
    if (failure.kind === 'bug' && process.env.VMFERRY_DEBUG === '1')
      process.stderr.write(`${(error as Error).stack}\n`);
    terminalOutput({ json, quiet }).error(failure);
    return exitCode(failure);
  }
}

export function makeProgram(done: Done): Command {
  const program = new Command('vmferry')
    .description(
      'Carries virtual machines from one virtualization environment to another.\nWithout a command the full-screen program opens.',
    )
    .version(packageVersion(), '-V, --version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText('after', afterHelp);

  program
    .command('environments')
    .argument('[id]', 'one of them')
    .description('what machines come from and go to, with the settings of each')
    .option('--json', 'one JSON value a line')
    .action(async (id: string | undefined, options: CommonOptions) =>
      done(await (await import('./environments.ts')).environments(id, options)),
    );
  addList(program, done);
  addInspect(program, done);
  addCheck(program, done);
  addVerify(program, done);
  addServe(program, done);
  addFiles(program, done);
  addConvert(program, done);
  addRun(program, done);
  addResume(program, done);
  addHistory(program, done);
  addKept(program, done);
  addAway(program, done);
  addUndo(program, done);
  addPlugins(program, done);
  program
    .command('doctor')
    .description('look at this computer: terminal, keychain, optional helpers')
    .option('--json', 'one JSON value')
    .action(async (options: CommonOptions) => done(await (await import('./doctor.ts')).doctor(options)));
  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print a completion script for a shell')
    .action(async (shell: string) => done((await import('./completion.ts')).completion(program, shell)));
  for (const command of program.commands) command.exitOverride();
  return program;
}

const afterHelp = `
Examples:
  vmferry                                        open the full-screen program
  vmferry convert --sample                       convert the sample machine that comes along
  vmferry inspect disk.vmdk                      what it is and what is inside
  vmferry check disk.qcow2                       whether its structure is sound
  vmferry check disk.vmdk --for all              where it can run
  vmferry serve disk.vmdk                        to qemu, nbdkit and guestfish, as if it were raw
  vmferry convert disk.vmdk --to disk.qcow2      to a disk for QEMU
  vmferry convert machine.ova --to /srv/images   into a folder
  vmferry convert disk.qcow2 --to machine.ova    to a package for VMware or VirtualBox
  vmferry list --env libvirt                     the machines of libvirt here
  vmferry convert disk.vmdk --to /srv --detach   in a process that outlives the terminal; vmferry attach looks at it
  vmferry convert machine.ova --to-profile lab --start
                                                 to the environment of a profile, and start it there

Exit codes: 0 done, 1 failed, 2 usage, 3 blocked by findings, 130 interrupted.`;

function addPlugins(program: Command, done: Done): void {
  program
    .command('plugins')
    .argument('[action]', 'trust, distrust, add or remove; without it: what there is')
    .argument('[what...]', 'a name or a folder; for "add --process NAME": the command, behind --')
    .description('environments from outside: what there is, and what may be loaded')
    .option('--process <name>', 'with add: a plugin in a process of its own, under this name')
    .option('--json', 'one JSON value a line')
    .action(async (action: string | undefined, what: string[], options) =>
      done(await (await import('./plugins.ts')).plugins(action, what, options)),
    );
  program
    .command('plugin-serve')
    .argument('<plugin>', 'the id of an environment, or the folder of a plugin')
    .description('speak the plugin protocol over standard input and output, for another vmferry')
    .action(async (plugin: string) => done(await (await import('./plugin-serve.ts')).pluginServe(plugin)));
}
