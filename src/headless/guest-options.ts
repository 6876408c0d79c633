/** The options of what is changed inside a guest, and its changes in lines. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { namesChange, parseCopy, parseHostname, parseKeyFile, pathHere } from '../model/guest-additions.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { GuestAdditions, GuestPlan } from '../model/guest-plan.ts';
import type { DiskBus } from '../model/machine.ts';
import type { PlannedGuest } from '../state/state.ts';
import { collect } from './common-options.ts';

export interface GuestOptions {
  readonly changes?: GuestPlan['changes'];
  readonly withoutChange?: readonly string[];
  readonly engine?: 'builtin' | 'libguestfs';
  readonly diskBus?: DiskBus;
  readonly nicModel?: string;
  readonly hostname?: string;
  readonly sshKey?: readonly string[];
  readonly passwordOf?: readonly string[];
  readonly copyIn?: readonly string[];
  readonly firstBoot?: readonly string[];
  readonly install?: readonly string[];
  readonly serialConsole?: boolean;
  readonly cloudInit?: 'on' | 'off';
  readonly agent?: boolean;
  readonly removeTools?: boolean;
  readonly windowsDrivers?: string;
  readonly kernel?: string;
  readonly shrink?: boolean;
  /** Id of the run whose changes are taken back. */
  readonly undo?: string;
}

export const withChangeChoice = (command: Command): Command =>
  command
    .option(
      '--without-change <id>',
      'leave out this change of the guest, or all whose ids begin so (network); several times',
      collect,
    )
    .addOption(
      new Option('--engine <engine>', 'what writes into the guest; else whichever can').choices([
        'builtin',
        'libguestfs',
      ]),
    );

export function withGuestChanges(command: Command): Command {
  command.addOption(
    new Option(
      '--changes <which>',
      'inside the guest: what it needs to run there, or none; --dry-run shows them',
    ).choices(['needed', 'none']),
  );
  return withChangeChoice(command)
    .addOption(
      new Option('--disk-bus <bus>', 'what all disks are attached by').choices([
        'virtio',
        'sata',
        'scsi',
        'ide',
        'nvme',
      ]),
    )
    .addOption(
      new Option('--nic-model <model>', 'the model of all network adapters').choices([
        'virtio',
        'e1000',
        'e1000e',
        'vmxnet3',
        'rtl8139',
        'pcnet32',
      ]),
    )
    .option(
      '--kernel <file>',
      'a /boot/vmlinuz-… here, for a guest without one (User Mode Linux, containers); its initramfs and modules beside it go along',
    )
    .option('--hostname <name>', "the guest's name for itself")
    .option('--ssh-key <user:file>', 'a file of public keys that may log in as USER; several times', collect)
    .option(
      '--password-of <user>',
      'set the password of this user of the guest: asked for, or --secret password-of:USER=ref; several times',
      collect,
    )
    .option('--copy-in <from:to>', 'a file or folder here, and its path in the guest; several times', collect)
    .option('--first-boot <script>', 'run this script at the first start, once; several times', collect)
    .option('--install <package>', "install this package's file at the first start; several times", collect)
    .option('--serial-console', 'let the guest talk on its serial port, as OpenStack and Azure show it')
    .addOption(new Option('--cloud-init <state>', 'switch cloud-init on or off').choices(['on', 'off']))
    .option('--agent', "install the destination's agent at the first start, from the guest's repositories")
    .option('--remove-tools', 'remove the tools of the source at the first start; else they are switched off')
    .option('--windows-drivers <path>', 'an ISO image or a folder with drivers for Windows (virtio-win)')
    .option('--shrink', 'leave out blocks that clean filesystems do not use, also where nothing is changed')
    .option('--no-shrink', 'take along what the filesystems do not use');
}

/** Undefined where nothing was said of it. @throws AppError `usage`. */
export function guestOf(options: GuestOptions): Partial<GuestPlan> | undefined {
  const { changes, withoutChange, engine, windowsDrivers, kernel, shrink, undo } = options;
  const add = additionsOf(options);
  const guest: Partial<GuestPlan> = {
    ...(changes === undefined ? {} : { changes }),
    ...(withoutChange === undefined ? {} : { without: withoutChange }),
    ...(engine === undefined ? {} : { engine }),
    ...(Object.keys(add).length === 0 ? {} : { add }),
    ...(windowsDrivers === undefined ? {} : { windowsDrivers: pathHere(windowsDrivers) }),
    ...(kernel === undefined ? {} : { kernel: { image: pathHere(kernel) } }),
    ...(shrink === undefined ? {} : { shrink }),
    ...(undo === undefined ? {} : { undo, changes: 'none', shrink: false }),
  };
  return Object.keys(guest).length === 0 ? undefined : guest;
}

/** Without SSH keys: their file is read by a command of its own. */
function additionsOf(options: GuestOptions): GuestAdditions {
  const { hostname, passwordOf, copyIn, firstBoot, install, serialConsole, cloudInit, agent, removeTools } =
    options;
  return {
    ...(hostname === undefined ? {} : { hostname: parseHostname(hostname) }),
    ...(passwordOf === undefined ? {} : { passwordsOf: [...new Set(passwordOf)] }),
    ...(copyIn === undefined ? {} : { copies: copyIn.map(parseCopy) }),
    ...(firstBoot === undefined ? {} : { firstBoot: firstBoot.map(pathHere) }),
    ...(install === undefined ? {} : { packages: install.map(pathHere) }),
    ...(serialConsole === undefined ? {} : { serialConsole }),
    ...(cloudInit === undefined ? {} : { cloudInit: cloudInit === 'on' }),
    ...(agent === undefined ? {} : { agent }),
    ...(removeTools === undefined ? {} : { removeTools }),
  };
}

/** @throws AppError `usage`. */
export const sshKeysOf = ({ sshKey = [] }: GuestOptions): { user: string; file: string }[] =>
  sshKey.map(parseKeyFile);

/** Of the ids that were to be left out, those that nothing was called. */
export function unknownChanges(
  { withoutChange = [] }: GuestOptions,
  guests: readonly PlannedGuest[],
): string[] {
  const ids = guests.flatMap(({ changes, leftOut }) => [...changes, ...leftOut]).map(({ id }) => id);
  return withoutChange.filter((given) => !ids.some((id) => namesChange([given], id)));
}

export function guestLines({ changes, leftOut }: PlannedGuest): string[] {
  if (changes.length === 0 && leftOut.length === 0) return ['nothing is changed inside the guest'];
  return [
    ...(changes.length === 0 ? [] : ['changes inside the guest:']),
    ...changes.flatMap(changeLines),
    ...(leftOut.length === 0 ? [] : ['left as it is, as it was asked for:']),
    ...leftOut.map(({ id, title }) => `  ${id}: ${title}`),
  ];
}

export function changeLines({ id, title, reason, need, files }: GuestChange): string[] {
  return [
    `  ${id} (${need}): ${title}`,
    `    why: ${reason}`,
    ...files.flatMap((file) => [
      `    ${file.path}: ${file.kind}${file.bytes === undefined ? '' : `, ${file.bytes} bytes`}`,
      ...diffLines(file.diff).map((line) => `      ${line}`),
      ...(file.secret ? ['      not shown: it is secret'] : []),
    ]),
  ];
}

/** Tabs as blanks: what is printed has no control characters. */
const diffLines = (diff = ''): string[] =>
  diff === '' ? [] : diff.replace(/\n$/, '').replaceAll('\t', '    ').split('\n');
