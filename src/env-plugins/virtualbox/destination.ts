/** A machine in a folder of its own on a host: NAME/NAME.vbox and its disks, registered where VirtualBox is installed. */
import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Field } from '../../model/field.ts';
import { deliverText, hostDelivery, hostFolder } from '../host-delivery.ts';
import type { Delivery, DeliveryRequest, DestinationRole } from '../plugin.ts';
import { checkDelivery } from './check-delivery.ts';
import { fitMachine, guestHardware } from './fit-machine.ts';
import { type WatchedSink, watchImage } from './image-id.ts';
import { hasVBoxManage, runningMachines, vboxManage } from './manage.ts';
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
    formats: ['vdi', 'vhd'],
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
  if (!(await hasVBoxManage(host, signal))) return found;
  for (const [list, word] of networkLists) {
    const text = await vboxManage(host, ['list', list], signal).catch((error) => {
      if (toAppError(error).kind !== 'io') throw error;
      return '';
    });
    for (const [, name] of text.matchAll(/^(?:Name|NetworkName):[ \t]+(\S[^\r\n]*)$/gm)) {
      found.push(`${word} ${name!.trim()}`);
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

/** A name that can be that of a file everywhere, also when the machine is copied elsewhere. */
function fileNameOf(name: string): string {
  const plain = name.replace(/[\p{Cc}/\\:*?"<>|]/gu, '_').replace(/^[. ]+|[. ]+$/g, '');
  let out = '';
  for (const character of plain) {
    if (Buffer.byteLength(out + character) > 180) break;
    out += character;
  }
  return out || 'machine';
}

interface Written {
  readonly name: string;
  readonly id: WatchedSink['id'];
}

async function delivery(host: Host, request: DeliveryRequest, { folder, base }: Place): Promise<Delivery> {
  const inner = await hostDelivery(host, folder, request);
  const written: Written[] = [];
  const uuid = randomUUID();
  const vbox = posix.join(folder, `${base}.vbox`);
  return {
    ...inner,
    async sink(file) {
      const { sink, id } = watchImage(await inner.sink(file));
      written.push({ name: file.name, id });
      return sink;
    },
    async commit() {
      const fitted = fitMachine(withDisks(request, written));
      const files = fitted.placed.disks.map(({ disk }) =>
        diskFile(written.find(({ name }) => name === disk.name)!),
      );
      const nvram = `${base}.nvram`;
      if (fitted.nvram) await deliverBytes(inner, nvram, request.nvram!);
      await deliverText(inner, `${base}.vbox`, writeVbox({ name: request.name, uuid, fitted, files, nvram }));
      // Asked before: what is in its place is not to be left there by a cancelled question.
      const manage = await hasVBoxManage(host, request.signal);
      const places = await inner.commit();
      if (manage) await register(host, vbox, places, request);
      return places;
    },
    start: (signal) => start(host, uuid, vbox, request.settings.screen || 'headless', signal),
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
  const format = ({ '.vdi': 'VDI', '.vhd': 'VHD' } as const)[posix.extname(name).toLowerCase()];
  if (uuid !== undefined && format !== undefined) return { name, uuid, format };
  throw new AppError('unsupported', `"${name}" is no VDI or VHD with a UUID of its own`, {
    hint: 'choose the format vdi',
  });
}

/** What VirtualBox refuses does not stay, but where older files were replaced by it. */
async function register(
  host: Host,
  vbox: string,
  places: readonly string[],
  { force }: DeliveryRequest,
): Promise<void> {
  try {
    await vboxManage(host, ['registervm', vbox]);
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (!force) {
      const folder = posix.dirname(vbox);
      for (const place of places) {
        await host.files.remove(posix.join(folder, posix.basename(place))).catch(() => undefined);
      }
      await host.run(['rmdir', '--', folder]).catch(() => undefined);
    }
    throw new AppError(kind, message, {
      where: `${host.name}:${vbox}`,
      hint: force ? 'its files are there: register it by hand' : 'its files were removed again',
      cause: error,
    });
  }
}

async function deliverBytes(inner: Delivery, name: string, bytes: Uint8Array): Promise<void> {
  const sink = await inner.sink({ name, size: bytes.length });
  try {
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

async function start(host: Host, uuid: string, vbox: string, screen: string, signal: AbortSignal) {
  await vboxManage(host, ['startvm', uuid, '--type', screen === 'gui' ? 'gui' : 'headless'], signal).catch(
    (error) => {
      if (toAppError(error).kind !== 'not-found') throw error;
      throw new AppError('unsupported', 'there is no VBoxManage there, which starts machines', {
        where: host.name,
        hint: `open ${vbox} in VirtualBox`,
      });
    },
  );
  return (await runningMachines(host, signal)).has(uuid) ? 'running' : 'unknown';
}
