/** A virtual machine of qemu, without KVM: what it says on its first serial port, and what is typed there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';

export interface GuestHardware {
  readonly bus: 'virtio' | 'sata' | 'pvscsi';
  readonly nicModel?: 'virtio-net-pci' | 'e1000' | 'vmxnet3';
  /** One NIC each. */
  readonly macs?: readonly string[];
  readonly firmware?: 'bios' | 'uefi';
  /** Further disks, on the virtio bus. */
  readonly drives?: readonly string[];
}

export interface RunningGuest {
  /** Resolves to all that was said up to it. @throws when the guest ends before, or when it takes too long. */
  waitFor(text: RegExp, seconds?: number): Promise<string>;
  /** Types a line and resolves to what was said until the prompt comes again. */
  ask(command: string): Promise<string>;
  type(text: string): void;
  /** It is switched off at once. */
  stop(): Promise<void>;
}

/** Debian's `ovmf`. */
const firmwareCode = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const firmwareVariables = '/usr/share/OVMF/OVMF_VARS_4M.fd';

const controllers: Readonly<Record<GuestHardware['bus'], readonly string[]>> = {
  virtio: ['-device', 'virtio-blk-pci,drive=disk'],
  sata: ['-device', 'ich9-ahci,id=sata', '-device', 'ide-hd,bus=sata.0,drive=disk'],
  pvscsi: ['-device', 'pvscsi,id=scsi', '-device', 'scsi-hd,bus=scsi.0,drive=disk'],
};

/** `drive`: a raw image or an NBD URI, which is only read. The machine ends with the test. */
export async function startGuest(drive: string, hardware: GuestHardware): Promise<RunningGuest> {
  const { bus, nicModel = 'virtio-net-pci', macs = [], firmware = 'bios', drives = [] } = hardware;
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-m', '512', '-nodefaults', '-no-reboot'],
      ...['-display', 'none', '-serial', 'stdio', '-monitor', 'none'],
      ...(firmware === 'uefi' ? await uefi() : []),
      ...['-drive', `file=${drive},format=raw,if=none,id=disk,snapshot=on`, ...controllers[bus]],
      ...drives.flatMap((file) => ['-drive', `file=${file},format=raw,if=virtio,snapshot=on`]),
      ...macs.flatMap((mac, i) => [
        ...['-netdev', `user,id=net${i},restrict=on`, '-device', `${nicModel},netdev=net${i},mac=${mac}`],
      ]),
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  onTestFinished(() => stop(child));
  return talk(child);
}

async function uefi(): Promise<string[]> {
  const variables = join(await tempFolder(), 'variables.fd');
  await copyFile(firmwareVariables, variables);
  return [
    ...['-drive', `if=pflash,format=raw,readonly=on,file=${firmwareCode}`],
    ...['-drive', `if=pflash,format=raw,file=${variables}`],
  ];
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

const control = /\u001b(?:\[[0-9;?]*[a-zA-Z]|\][^\u0007]*\u0007|[()][A-Z0-9])|\r/g;

function talk(child: ChildProcess): RunningGuest {
  let said = '';
  let read = 0;
  const told = new Set<() => void>();
  const hear = (chunk: Buffer) => {
    said += chunk.toString('latin1');
    for (const tell of told) tell();
  };
  child.stdout!.on('data', hear);
  child.stderr!.on('data', hear);
  child.stdin!.on('error', () => undefined); // it was switched off
  child.on('exit', () => {
    for (const tell of told) tell();
  });
  const waitFor = (text: RegExp, seconds = 240) =>
    new Promise<string>((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(late);
        told.delete(look);
        end();
      };
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why}: no ${text} in: ${said.slice(-3000)}`)));
      const look = () => {
        const plain = said.slice(read).replace(control, '');
        if (text.test(plain)) {
          read = said.length;
          settle(() => resolve(plain));
        } else if (child.exitCode !== null) fail(`qemu ended with ${child.exitCode}`);
      };
      const late = setTimeout(() => fail(`not within ${seconds} s`), seconds * 1000);
      told.add(look);
      look();
    });
  const type = (text: string) => void child.stdin!.write(text);
  let asked = 0;
  return {
    waitFor,
    type,
    async ask(command) {
      const mark = `end-${++asked}`;
      // Parted in two: the echo of what is typed is not taken for the answer.
      type(`${command}; echo en''d-${asked}\n`);
      const answer = await waitFor(new RegExp(`^${mark}$`, 'm'), 60);
      return answer.slice(0, answer.lastIndexOf(mark));
    },
    stop: () => stop(child),
  };
}
