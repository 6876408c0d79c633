/**
 * A machine made by VBoxManage: VirtualBox writes its settings in its own version and refuses what it does not have.
 * Options are spelled as both 6.x and 7.x know them ("VBoxManage" in the user manual).
 */
import type { Host } from '../../io/host/host.ts';
import { quoteArgs } from '../../io/ssh/quote-args.ts';
import { toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Controller } from './fit-disks.ts';
import type { FittedMachine } from './fit-machine.ts';
import type { PlacedNic } from './fit-nics.ts';
import { writeGuestType } from './guest-type.ts';
import { type ManageVersion, olderThan, vboxManage } from './manage.ts';
import { clockOf, isUuid, littleEndianUuid, needsUsb, portOf, tpmType, videoOf } from './write-vbox.ts';

export interface NewMachine {
  readonly name: string;
  readonly uuid: string;
  readonly fitted: FittedMachine;
  /** Whole paths, in the order of `fitted.placed.disks`. */
  readonly disks: readonly string[];
  /** In which VirtualBox makes a folder of the machine's name. */
  readonly baseFolder: string;
  readonly version: ManageVersion;
  /** Ids of the guest systems that it knows. */
  readonly types: ReadonlySet<string>;
}

/** What is run, in order; the first one registers the machine. */
export function machineCommands(machine: NewMachine): string[][] {
  const { name, uuid, fitted, baseFolder, types } = machine;
  const type = writeGuestType(fitted.machine.system, types);
  const made = ['--name', name, '--ostype', type, '--uuid', uuid, '--basefolder', baseFolder];
  return [
    ['createvm', ...made, '--register'],
    ['modifyvm', uuid, ...hardwareOptions(machine), ...nicOptions(fitted.nics)],
    ...storageCommands(machine),
  ];
}

const onOff = (yes: boolean): string => (yes ? 'on' : 'off');

function hardwareOptions({ fitted, version }: NewMachine): string[] {
  const { machine, processors, memoryMiB, uefi, ich9, tpm } = fitted;
  const { description, uuid, devices } = machine;
  return [
    ...['--memory', String(memoryMiB), '--cpus', String(processors), '--ioapic', 'on', '--pae', 'on'],
    ...['--longmode', onOff(machine.system?.architecture !== 'i686'), '--vram', '16'],
    ...['--firmware', uefi ? 'efi' : 'bios', '--chipset', ich9 ? 'ich9' : 'piix3'],
    ...['--rtcuseutc', onOff(clockOf(fitted) === 'UTC')],
    ...(olderThan(version, 6, 0) ? [] : ['--graphicscontroller', videoOf(fitted).toLowerCase()]),
    ...(isUuid(uuid) ? ['--hardwareuuid', uuid] : []),
    ...(littleEndianUuid(fitted) && !olderThan(version, 7, 0) ? ['--system-uuid-le', 'on'] : []),
    ...(tpm && !olderThan(version, 7, 0) ? ['--tpm-type', tpmType(fitted) === 'v1_2' ? '1.2' : '2.0'] : []),
    ...(description === undefined ? [] : ['--description', description.replaceAll('\0', '\ufffd')]),
    ...((devices?.consoles ?? []).includes('serial')
      ? ['--uart1', '0x3F8', '4', '--uartmode1', 'disconnected']
      : []),
    ...(needsUsb(fitted) ? ['--usbohci', 'on'] : []),
  ];
}

/** `--nic1`, and the option that names what it is attached to. */
const attachments: Readonly<Record<PlacedNic['attachedTo'], readonly [word: string, option?: string]>> = {
  nat: ['nat'],
  bridged: ['bridged', '--bridgeadapter'],
  internal: ['intnet', '--intnet'],
  hostonly: ['hostonly', '--hostonlyadapter'],
  hostonlynet: ['hostonlynet', '--hostonlynet'],
  natnetwork: ['natnetwork', '--nat-network'],
};

function nicOptions(nics: readonly PlacedNic[]): string[] {
  // A new machine has one already.
  if (nics.length === 0) return ['--nic1', 'none'];
  return nics.flatMap((nic, i) => {
    const n = i + 1;
    const [word, option] = attachments[nic.attachedTo];
    return [
      ...[`--nic${n}`, word, `--nictype${n}`, nic.type, `--cableconnected${n}`, onOff(nic.connected)],
      ...(option === undefined || nic.name === '' ? [] : [`${option}${n}`, nic.name]),
      `--macaddress${n}`,
      nic.mac?.replaceAll(':', '').toUpperCase() ?? 'auto',
    ];
  });
}

/** Of `storagectl --controller`, where it is not as in the settings. */
const chips: Readonly<Record<string, string>> = { AHCI: 'IntelAhci', VirtioSCSI: 'VirtIO' };

function storageCommands({ uuid, fitted: { placed }, disks }: NewMachine): string[][] {
  const controllers = placed.controllers.map(({ kind, name, ports, bootable }) => [
    ...['storagectl', uuid, '--name', name, '--add', kind.storageBus],
    ...['--controller', chips[kind.type] ?? kind.type],
    ...(kind.ports === undefined ? ['--portcount', String(ports)] : []),
    ...['--bootable', onOff(bootable)],
  ]);
  const attach = (on: Controller, slot: number, type: string, medium: string) => {
    const { port, device } = portOf(on, slot);
    return [
      ...['storageattach', uuid, '--storagectl', on.name, '--port', String(port), '--device', String(device)],
      ...['--type', type, '--medium', medium],
    ];
  };
  const { cdrom } = placed;
  return [
    ...controllers,
    ...placed.disks.map(({ controller, slot }, i) => attach(controller, slot, 'hdd', disks[i]!)),
    ...(cdrom === undefined ? [] : [attach(cdrom.controller, cdrom.slot, 'dvddrive', 'emptydrive')]),
  ];
}

/** Blocks of lines, of which one is `ID:  Debian12_64`. */
async function guestTypes(host: Host): Promise<Set<string>> {
  const text = await vboxManage(host, ['list', 'ostypes']).catch((error) => {
    if (toAppError(error).kind !== 'io') throw error;
    return '';
  });
  return new Set([...text.matchAll(/^ID:[ \t]+(\w{1,64})[ \t\r]*$/gm)].map(([, id]) => id!));
}

/**
 * Not to be cancelled; what it has made when it fails `removeMachine` removes. `made` is told the path of its settings.
 * @throws AppError `io` with what VirtualBox refused.
 */
export async function createMachine(
  host: Host,
  given: Omit<NewMachine, 'types'>,
  made: (settings: string) => void,
): Promise<void> {
  const machine = { ...given, types: await guestTypes(host) };
  const [create, ...rest] = machineCommands(machine);
  const said = await vboxManage(host, create!);
  const settings = /^Settings file: '(\/.*)'\s*$/m.exec(said)?.[1];
  if (settings !== undefined) made(settings);
  for (const args of rest) await vboxManage(host, args);
}

/**
 * As far as it was made. Its disks are left: they belong to the delivery. `kept`: what had the name of its settings comes
 * back by itself. Resolves to what stays. Never throws.
 */
export async function removeMachine(
  host: Host,
  { name, uuid, settings, kept }: { name: string; uuid: string; settings: string; kept: boolean },
): Promise<Leftover[]> {
  const left: Leftover[] = [];
  const unregister = ['unregistervm', uuid];
  const failed = await vboxManage(host, unregister).then(() => undefined, toAppError);
  if (failed !== undefined && (await isListed(host, uuid)))
    left.push({
      what: `VirtualBox on ${host.name} may list the machine "${name}" still (${failed.message})`,
      command: quoteArgs(['VBoxManage', ...unregister]),
    });
  // It keeps the settings of one step before, and writes them before it registers a machine: those of ours have our UUID.
  for (const path of [settings, `${settings}-prev`]) {
    const stays = await removeOurs(host, path, uuid).then(() => undefined, toAppError);
    if (stays === undefined || (kept && path === settings)) continue;
    left.push({
      what: `${path} on ${host.name} may be there still (${stays.message})`,
      command: quoteArgs(['rm', '-f', '--', path]),
    });
  }
  return left;
}

/** Also where nobody can tell. */
const isListed = (host: Host, uuid: string): Promise<boolean> =>
  vboxManage(host, ['list', 'vms']).then(
    (list) => list.toLowerCase().includes(`{${uuid}}`),
    () => true,
  );

async function removeOurs(host: Host, path: string, uuid: string): Promise<void> {
  if ((await host.files.stat(path)) === undefined) return;
  if ((await host.files.text(path)).includes(`{${uuid}}`)) await host.files.remove(path);
}
