/** A machine in a folder of its own on a host: by VBoxManage where it is, else as NAME/NAME.vbox and its disks. */
import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Field } from '../../model/field.ts';
import type { Leftover } from '../../model/leftover.ts';
import { hostDelivery, hostFolder } from '../host-delivery.ts';
import type { Delivery, DeliveryRequest, DestinationRole } from '../plugin.ts';
import { deliverBytes, deliverText } from '../small-files.ts';
import { checkDelivery } from './check-delivery.ts';
import { createMachine, removeMachine } from './create-machine.ts';
import { fileNameOf } from './file-name.ts';
import { fitMachine, guestHardware } from './fit-machine.ts';
import { type WatchedSink, watchImage } from './image-id.ts';
import { type ManageVersion, manageVersion, startedState, vboxManage } from './manage.ts';
import { type DiskFile, writeVbox } from './write-vbox.ts';

const usualFolder = '~/VirtualBox VMs';

const fieldsOf = (networks: readonly string[]): Field[] => [
  {
    key: 'folder',
    label: 'Folder',
    help: 'the folder on that host in which the machine gets one of its own',
    kind: 'text',
    required: false,
    default: usualFolder,
  },
  {
    key: 'network',
    label: 'Network',
    help: 'what a network card is attached to that names no network of that host',
    kind: 'choice',
    required: false,
    default: networks[0]!,
    choices: networks,
  },
  {
    key: 'screen',
    label: 'When started',
    help: 'headless: without a window; gui: with one, on the screen of that host',
    kind: 'choice',
    required: false,
    default: 'headless',
    choices: ['headless', 'gui'],
  },
];

export function destinationRole(host: Host, home: string): DestinationRole {
  return {
    product: 'virtualbox',
    formats: ['vdi', 'vmdk', 'vhd'],
    options: { vmdk: { uuids: true } },
    fields: async (signal) => fieldsOf(await networksOf(host, signal)),
    networks: (signal) => networksOf(host, signal),
    hardware: async (request) => guestHardware(fitMachine(request)),
    check: (request, files, bytes) =>
      checkDelivery(host, home, placeOf(request, home), request, files, bytes),
    begin: (request) => delivery(host, request, placeOf(request, home)),
  };
}

const networkLists = [
  ['bridgedifs', 'bridged'],
  ['hostonlyifs', 'hostonly'],
  ['natnets', 'natnetwork'],
  ['intnets', 'internal'],
] as const;
const mostNetworks = 256;

/** NAT, which needs nothing, and what VBoxManage lists: blocks of lines such as `Name:            eth0`. */
async function networksOf(host: Host, signal: AbortSignal): Promise<string[]> {
  const found = ['nat'];
  if ((await manageVersion(host, signal)) === undefined) return found;
  for (const [list, word] of networkLists) {
    const text = await vboxManage(host, ['list', list], signal).catch((error) => {
      if (toAppError(error).kind !== 'io') throw error;
      return '';
    });
    for (const [, name] of text.matchAll(/^(?:Name|NetworkName):[ \t]+(\S[^\r\n]*)$/gm)) {
      // Nobody can choose a name that can't be shown.
      if (!/\p{Cc}/u.test(name!)) found.push(`${word} ${name!.trim()}`);
    }
  }
  return [...new Set(found)].slice(0, mostNetworks);
}

export interface Place {
  readonly folder: string;
  /** Names of the machine's own files begin with it. */
  readonly base: string;
}

function placeOf(request: DeliveryRequest, home: string): Place {
  const settings = { ...request.settings, folder: request.settings.folder?.trim() || usualFolder };
  const base = fileNameOf(request.name);
  return { folder: posix.join(hostFolder({ ...request, settings }, home), base), base };
}

interface Written {
  readonly name: string;
  readonly id: NonNullable<WatchedSink['id']>;
}

async function delivery(host: Host, request: DeliveryRequest, { folder, base }: Place): Promise<Delivery> {
  const written: Written[] = [];
  const uuid = randomUUID();
  const vbox = posix.join(folder, `${base}.vbox`);
  let place = vbox;
  let version: ManageVersion | undefined;
  let begun: { readonly kept: boolean } | undefined;
  const { name } = request;
  /** Before its files are moved. */
  const remove = async (): Promise<Leftover[]> => {
    if (begun === undefined) return [];
    const left = await removeMachine(host, { name, uuid, settings: place, ...begun });
    if (left.length === 0) begun = undefined;
    return left;
  };
  const inner = await hostDelivery(host, folder, request, async (setAside) => {
    if (version === undefined) return;
    const fitted = fitMachine(withDisks(request, written));
    const disks = fitted.placed.disks.map(({ disk }) => posix.join(folder, disk.name));
    // VirtualBox makes no machine over the settings of another one.
    const kept = (await host.files.stat(vbox)) !== undefined;
    if (kept) await setAside(vbox);
    begun = { kept };
    try {
      const machine = { name, uuid, fitted, disks, baseFolder: posix.dirname(folder), version };
      await createMachine(host, machine, (settings) => {
        place = settings;
      });
    } catch (error) {
      await remove();
      throw error;
    }
  });
  return {
    ...inner,
    async sink(file) {
      const { sink, id } = watchImage(await inner.sink(file), file.name, written.at(-1)?.name);
      if (id !== undefined) written.push({ name: file.name, id });
      return sink;
    },
    async commit() {
      const fitted = fitMachine(withDisks(request, written));
      const files = fitted.placed.disks.map(({ disk }) =>
        diskFile(written.find(({ name }) => name === disk.name)!),
      );
      const nvram = `${base}.nvram`;
      // VirtualBox looks for them under this name.
      if (fitted.nvram) await deliverBytes(inner, nvram, request.nvram!);
      version = await manageVersion(host, request.signal);
      if (version === undefined) {
        await deliverText(
          inner,
          `${base}.vbox`,
          writeVbox({ name: request.name, uuid, fitted, files, nvram }),
        );
        return inner.commit();
      }
      const places = await inner.commit();
      begun = undefined; // it is there, and stays
      return [...places, host.here ? place : `${host.name}:${place}`];
    },
    async rollback() {
      return [...(await remove()), ...(await inner.rollback())];
    },
    start: (signal) => start(host, uuid, place, request.settings.screen || 'headless', signal),
  };
}

/** The machine's disks by the names that their files got. */
function withDisks(request: DeliveryRequest, written: readonly Written[]): DeliveryRequest {
  const { machine } = request;
  const disks = machine.disks.flatMap((disk, i) => {
    const file = written[i];
    return file === undefined ? [] : [{ ...disk, name: file.name }];
  });
  return { ...request, machine: { ...machine, disks } };
}

/** @throws AppError `unsupported`: without its UUID VirtualBox would refuse it. */
function diskFile({ name, id }: Written): DiskFile {
  const uuid = id();
  const format = ({ '.vdi': 'VDI', '.vmdk': 'VMDK', '.vhd': 'VHD' } as const)[
    posix.extname(name).toLowerCase()
  ];
  if (uuid !== undefined && format !== undefined) return { name, uuid, format };
  throw new AppError('unsupported', `"${name}" is no VDI, VMDK or VHD with a UUID of its own`, {
    hint: 'choose the format vdi',
  });
}

async function start(host: Host, uuid: string, vbox: string, screen: string, signal: AbortSignal) {
  const type = screen === 'gui' ? 'gui' : 'headless';
  await vboxManage(host, ['startvm', uuid, '--type', type], signal).catch((error) => {
    if (toAppError(error).kind !== 'not-found') throw error;
    throw new AppError('unsupported', 'there is no VBoxManage there, which starts machines', {
      where: host.name,
      hint: `open ${vbox} in VirtualBox`,
    });
  });
  return startedState(host, uuid, signal);
}
