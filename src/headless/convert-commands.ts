/** The commands that convert. Each action is a module of its own, loaded when it is called. */
import { type Command, Option } from 'commander';
import { withAway } from './away-options.ts';
import { collect, type Done, imageHelp, withDestination, withSecrets, withSource } from './common-options.ts';
import { withChangeChoice, withGuestChanges } from './guest-options.ts';
import { withKeep } from './keep-options.ts';
import { withPieces } from './piece-options.ts';
import { withVerify } from './verify-options.ts';

function withConversion(command: Command): Command {
  return withKeep(withPieces(withVerify(withGuestChanges(withDestination(withSource(withSecrets(command)))))))
    .argument('[image]', imageHelp)
    .option('--sample', 'the sample machine that comes along')
    .option(
      '-o, --to <path>',
      'a file (its extension says the format) or a folder; several times: the source is read once for all',
      collect,
    )
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

export function addConvert(program: Command, done: Done): void {
  const convert = withConversion(program.command('convert'))
    .description('convert an image or a machine, into files here or into an environment')
    .option('-n, --dry-run', 'check and print the plan, move nothing')
    .option('--json', 'one event a line')
    .action(async (image: string | undefined, options) =>
      done(await (await import('./convert.ts')).convert(image, options)),
    );
  withAway(convert);
  withConversion(program.command('plan'))
    .description('print the plan of a conversion as JSON, for "vmferry run"')
    .action(async (image: string | undefined, options) =>
      done(await (await import('./convert.ts')).plan(image, options)),
    );
}

export function addRun(program: Command, done: Done): void {
  withAway(withSecrets(program.command('run')))
    .argument('<plans...>', 'plan files, or - for standard input')
    .description('run plans; those of one source are run together, and the source is read once')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option('--force', 'replace files of the same name')
    .option('--json', 'one event a line')
    .option('-q, --quiet', 'no progress, no remarks')
    .action(async (files: string[], options) =>
      done(await (await import('./run-plan-files.ts')).runPlanFiles(files, options)),
    );
}

export function addResume(program: Command, done: Done): void {
  withAway(withSecrets(program.command('resume')))
    .argument('[run]', 'its id; without one: those that can be gone on with')
    .description('go on with a conversion that was cut, without moving again what is there already')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--to-secret <field=ref>', 'as --secret, for the destination', collect)
    .option('--discard', 'remove what it has left at the destination instead')
    .option('--json', 'one event a line')
    .option('-q, --quiet', 'no progress, no remarks')
    .action(async (id: string | undefined, options) =>
      done(await (await import('./resume.ts')).resume(id, options)),
    );
}

export function addUndo(program: Command, done: Done): void {
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
      done(await (await import('./convert.ts')).convert(image, { ...options, to: [options.to], undo })),
    );
}
