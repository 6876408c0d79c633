/** The commands that look at machines and images. Each action is a module of its own, loaded when it is called. */
import type { Command } from 'commander';
import {
  type CommonOptions,
  collect,
  type Done,
  imageHelp,
  withSecrets,
  withSource,
} from './common-options.ts';
import type { Trust } from './session.ts';

export function addList(program: Command, done: Done): void {
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

export function addInspect(program: Command, done: Done): void {
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
    .option('--packages', 'what is installed in it instead, one package a line')
    .option('--map', 'the extents of its disks instead, one JSON value a line')
    .action(async (image: string, options: CommonOptions & Trust & { map?: boolean; packages?: boolean }) => {
      const { inspect, printMap, printPackages } = await import('./inspect.ts');
      const print = options.map === true ? printMap : options.packages === true ? printPackages : inspect;
      done(await print(image, options));
    });
}

export function addCheck(program: Command, done: Done): void {
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

export function addVerify(program: Command, done: Done): void {
  withSource(withSecrets(program.command('verify')))
    .argument('<image>', imageHelp)
    .description(
      'compare it, in any format, with what an earlier conversion read: by the digests of that run',
    )
    .requiredOption('--against <run>', 'the id of the conversion, see vmferry history')
    .option('--disk <disk>', 'that disk of the conversion: its number, name or id')
    .option('--from <format>', 'what the image is, where its marks do not say')
    .option('--snapshot <name>', 'its snapshot of this name (of a disk also by id), not the current state')
    .option('--window <offset+length>', 'only these bytes of the disk, such as 1M+2G')
    .option('--partition <number>', 'only this partition of the disk')
    .option('--follow', 'trust names in the image that lead out of its folder')
    .option('--identity <file>', 'the file of the identity (age) that opens the image')
    .option('--json', 'one JSON value')
    .action(async (image: string, options) =>
      done(await (await import('./verify.ts')).verify(image, options)),
    );
}

export function addServe(program: Command, done: Done): void {
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

export function addFiles(program: Command, done: Done): void {
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
