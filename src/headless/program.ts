/** The commands and their options. Each action is a module of its own, loaded when it is called. */
import { Command, CommanderError, Option } from 'commander';
import { toAppError, toFailure } from '../model/errors.ts';
import { packageVersion } from '../package-root.ts';
import { exitCode } from './exit-codes.ts';
import { withChangeChoice, withGuestChanges } from './guest-options.ts';
import { terminalOutput } from './output.ts';
import type { Trust } from './session.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly secret?: readonly string[];
  readonly toSecret?: readonly string[];
  readonly vaultPassphrase?: string;
  /** A file with the identity that opens what is encrypted with age. */
  readonly identity?: string;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

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

export function makeProgram(done: (code: number) => void): Command {
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
  addServe(program, done);
  addFiles(program, done);
  addConvert(program, done);
  addRun(program, done);
  addHistory(program, done);
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
  vmferry convert machine.ova --to-profile lab --start
                                                 to the environment of a profile, and start it there

Exit codes: 0 done, 1 failed, 2 usage, 3 blocked by findings, 130 interrupted.`;

function withSecrets(command: Command): Command {
  return command
    .option(
      '--secret <field=ref>',
      'a secret of the environment: fd:N, env:NAME, cmd:COMMAND or file:PATH',
      collect,
    )
    .option('--vault-passphrase <ref>', 'passphrase of the vault: fd:N, env:NAME, cmd:COMMAND or file:PATH');
}

const imageHelp = 'a path; a machine with --profile or --env (its name or id); or PROFILE:MACHINE';

function withSource(command: Command): Command {
  return command
    .option('--profile <name>', 'the machine is in the environment of this profile')
    .option('--env <id>', 'the machine is in this environment, without a profile: see vmferry environments')
    .option(
      '--setting <key=value>',
      'a setting of that environment, over its profile; several times',
      collect,
    );
}

function withDestination(command: Command): Command {
  return command
    .option('--to-profile <name>', 'the environment of this profile takes the machine, instead of --to')
    .option(
      '--to-env <id>',
      'this environment takes the machine, without a profile: see vmferry environments',
    )
    .option(
      '--to-set <key=value>',
      'a setting of the destination or of the delivery (pool, folder …); several times',
      collect,
    )
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option(
      '--network <from=to>',
      'adapters on the network FROM are joined to TO; * is all; several times',
      collect,
    )
    .option('--start', 'start the machine when it is there');
}

type Done = (code: number) => void;

function addList(program: Command, done: Done): void {
  withSource(withSecrets(program.command('list')))
    .argument(
      '[environment]',
      'an environment, a profile, or a folder; without it: what environments there are',
    )
    .description('environments, or the machines of one')
    .option('--json', 'one JSON value a line')
    .action(async (environment: string | undefined, options: CommonOptions) =>
      done(await (await import('./list.ts')).list(environment, options)),
    );
}

function addInspect(program: Command, done: Done): void {
  withSource(withSecrets(program.command('inspect')))
    .argument('<image>', imageHelp)
    .description('what it is: format, sizes, layers, partitions, systems')
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--snapshot <name>', 'its snapshot of this name (of a disk also by id), not the current state')
    .option('--window <offset+length>', 'only these bytes of the disk, such as 1M+2G')
    .option('--partition <number>', 'only this partition of the disk')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--whole', 'unpack what is packed or encrypted as a whole, to look at all of it')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--json', 'one JSON value')
    .option('--map', 'the extents of its disks instead, one JSON value a line')
    .action(async (image: string, options: CommonOptions & Trust & { map?: boolean }) => {
      const { inspect, printMap } = await import('./inspect.ts');
      done(await (options.map === true ? printMap : inspect)(image, options));
    });
}

function addCheck(program: Command, done: Done): void {
  withSource(withSecrets(program.command('check')))
    .argument('<image>', imageHelp)
    .description('verify the structure of its files: tables, reference counts, overlaps, checksums, chains')
    .option('--deep', 'read all data as well, so that what is compressed is unpacked')
    .option('--snapshot <name>', 'its snapshot of this name, not the current state')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--json', 'one JSON value')
    .option('--for <destinations>', 'where it can run instead: all, or some such as kvm,aws (docs/rules.md)')
    .action(async (image: string, options) =>
      done(
        options.for === undefined
          ? await (await import('./check.ts')).check(image, options)
          : await (await import('./check-for.ts')).checkFor(image, options),
      ),
    );
}

function addServe(program: Command, done: Done): void {
  withSource(withSecrets(program.command('serve')))
    .argument('<image>', imageHelp)
    .description(
      'serve its disks by NBD to programs of this computer (qemu, nbdkit, guestfish), until Ctrl+C',
    )
    .option('--disk <disk>', 'only this disk: its number, name or id; several times', collect)
    .option('--socket <path>', 'listen on this socket; without it on one in a new folder of your own')
    .option(
      '--port <number>',
      'listen on this TCP port of the loopback instead, 0 for any; every user here can connect',
    )
    .option(
      '--writable-overlay',
      'take writes, and keep them apart: the image never changes, they are forgotten at the end',
    )
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--snapshot <name>', 'its internal snapshot of this name or id, not the current state')
    .option('--window <offset+length>', 'only these bytes of the disk, such as 1M+2G')
    .option('--partition <number>', 'only this partition of the disk')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--json', 'one JSON value a line: each disk with its URI')
    .option('-q, --quiet', 'the URIs alone')
    .action(async (image: string, options) => done(await (await import('./serve.ts')).serve(image, options)));
}

const guestPathHelp = 'an image or a machine, a colon, and an absolute path in it: disk.qcow2:/etc/fstab';

function withFilesOf(command: Command): Command {
  return withSource(withSecrets(command))
    .option('--volume <name>', 'of this volume alone (a partition by its number), not of the whole system')
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--snapshot <name>', 'its snapshot of this name (of a disk also by id), not the current state')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--identity <file>', 'the file of the identity (age) that opens the image');
}

function addFiles(program: Command, done: Done): void {
  withFilesOf(program.command('ls'))
    .argument('<path>', guestPathHelp)
    .description('list a folder inside a guest')
    .option('-l, --long', 'with modes, owners, sizes and times')
    .option('--json', 'one JSON value a line')
    .action(async (path: string, options) => done(await (await import('./files.ts')).ls(path, options)));
  withFilesOf(program.command('cat'))
    .argument('<path>', guestPathHelp)
    .description('write a file inside a guest to standard output')
    .action(async (path: string, options) => done(await (await import('./files.ts')).cat(path, options)));
  withFilesOf(program.command('cp'))
    .argument('<path>', guestPathHelp)
    .argument('[destination]', 'a folder here, or a new name', '.')
    .description('copy a file or a folder out of a guest')
    .option('-r, --recursive', 'a folder with all that is in it; links are copied as links')
    .option('--force', 'replace files of the same name')
    .option('--json', 'one JSON value')
    .option('-q, --quiet', 'no remarks')
    .action(async (path: string, to: string, options) =>
      done(await (await import('./files.ts')).cp(path, to, options)),
    );
}

function withConversion(command: Command): Command {
  return withGuestChanges(withDestination(withSource(withSecrets(command))))
    .argument('[image]', imageHelp)
    .option('--sample', 'the sample machine that comes along')
    .option('-o, --to <path>', 'a file (its extension says the format) or a folder')
    .option('-f, --format <format>', 'disk format: qcow2, raw, vmdk, vhd, vhdx, vdi, parallels, cow')
    .addOption(
      new Option('--package <kind>', 'put it into a package').choices(['disks', 'ovf', 'ova', 'xva']),
    )
    .option('--for <product>', 'who is to open it: qemu, vmware, virtualbox, hyperv, uml, files')
    .option(
      '-s, --set <key=value>',
      'an option of the format, such as subformat=streamOptimized; several times',
      collect,
    )
    .option(
      '--recipient <key>',
      'who can decrypt an output that ends with .age (age1…); several times',
      collect,
    )
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--backing <image>', 'store only what differs from this image, and name it (qcow2)')
    .option('--name <name>', "the machine's name at the destination")
    .option('--cpus <number>', 'processors')
    .option('--memory <size>', 'memory, such as 4G')
    .addOption(new Option('--firmware <kind>', 'firmware').choices(['bios', 'uefi']))
    .option('--without <disk>', 'leave a disk behind (its name or id); several times', collect)
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--snapshot <name>', 'its snapshot of this name (of a disk also by id), not the current state')
    .option('--window <offset+length>', 'only these bytes of the disk, such as 1M+2G')
    .option('--partition <number>', 'only this partition of the disk')
    .addOption(
      new Option('--partition-table <kind>', 'put a partition table around a bare filesystem').choices([
        'mbr',
        'gpt',
      ]),
    )
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--warm', 'copy the machine while it runs, then what changed; the last of it when it is off')
    .option('--warm-shutdown', 'with --warm: ask its system to shut down for the last pass')
    .option('--warm-tracking', 'with --warm: turn tracking of changes on meanwhile, where it is off')
    .option('--warm-passes <number>', 'with --warm: so many passes of changes before the last one')
    .option('--warm-below <size>', 'with --warm: a pass of less is small enough (64M)')
    .option('--warm-interval <seconds>', 'with --warm: between passes while its end is waited for (300)')
    .option('--warm-folder <path>', 'with --warm: where the copies grow')
    .option('--force', 'replace files of the same name')
    .option('--sync', 'flush to the medium before the names become final')
    .option('-q, --quiet', 'no progress, no remarks');
}

function addConvert(program: Command, done: Done): void {
  withConversion(program.command('convert'))
    .description('convert an image or a machine, into files here or into an environment')
    .option('-n, --dry-run', 'check and print the plan, move nothing')
    .option('--json', 'one event a line')
    .action(async (image: string | undefined, options) =>
      done(await (await import('./convert.ts')).convert(image, options)),
    );
  withConversion(program.command('plan'))
    .description('print the plan of a conversion as JSON, for "vmferry run"')
    .action(async (image: string | undefined, options) =>
      done(await (await import('./convert.ts')).plan(image, options)),
    );
}

function addRun(program: Command, done: Done): void {
  withSecrets(program.command('run'))
    .argument('<plan>', 'a plan file, or - for standard input')
    .description('run a plan')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option('--force', 'replace files of the same name')
    .option('--json', 'one event a line')
    .option('-q, --quiet', 'no progress, no remarks')
    .action(async (file: string, options) =>
      done(await (await import('./convert.ts')).runPlanFile(file, options)),
    );
}

function addHistory(program: Command, done: Done): void {
  withSecrets(program.command('history'))
    .argument('[id]', 'one conversion, whole')
    .description('earlier conversions')
    .option('--json', 'one JSON value a line')
    .option('--remove', 'forget this one')
    .option('--rerun', 'run its plan again')
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option('--force', 'with --rerun: replace files of the same name')
    .action(async (id: string | undefined, options) =>
      done(await (await import('./history.ts')).history(id, options)),
    );
}

function addUndo(program: Command, done: Done): void {
  withChangeChoice(withSource(withSecrets(program.command('undo-changes'))))
    .argument('<run>', 'the id of the conversion, see vmferry history')
    .argument('<image>', 'what it delivered: a path, or as for convert')
    .description('a copy of an image without what a conversion changed inside it; the image stays as it is')
    .requiredOption('-o, --to <path>', 'a file (its extension says the format) or a folder')
    .option('-f, --format <format>', 'disk format')
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--force', 'replace files of the same name')
    .option('-n, --dry-run', 'show what would be taken back, move nothing')
    .option('--json', 'one event a line')
    .option('-q, --quiet', 'no progress, no remarks')
    .action(async (undo: string, image: string, options) =>
      done(await (await import('./convert.ts')).convert(image, { ...options, undo })),
    );
}

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
