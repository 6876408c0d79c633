/** The export lease: what every server of the API from 4.0 on offers, also where a datastore gives no files. */
import { unknownSize } from '../../../io/byte-source.ts';
import { forwardSource } from '../../../io/wrappers/forward-source.ts';
import { AppError } from '../../../model/errors.ts';
import type { OpenDisk } from '../../plugin.ts';
import { formatDatastorePath } from '../datastore-path.ts';
import type { DiskDevice } from '../devices.ts';
import type { LeaseDevice } from '../lease.ts';
import { reachHost } from '../reach-host.ts';
import { MachineExport, type Reader } from './export.ts';
import { leaseStream } from './lease-stream.ts';
import type { MakeWay, WaySubject } from './way.ts';

export const leaseWay: MakeWay = ({ session, server, plugin }) => {
  /** By the machine, or by the snapshot. */
  const exports = new Map<string, MachineExport>();

  const exportOf = ({ vm, snapshot }: WaySubject): MachineExport => {
    const { id } = snapshot ?? vm;
    const known = exports.get(id);
    if (known !== undefined) return known;
    const made = new MachineExport({
      session,
      reach: reachHost(server.legacy, plugin.note),
      vm,
      snapshot,
      ended: () => void exports.delete(id),
      tell: plugin.note,
    });
    exports.set(id, made);
    return made;
  };

  return {
    id: 'lease',
    label: 'export lease (compressed stream)',
    async whyNot({ disk, snapshot, machine }) {
      if (!session.atLeast('4.0')) return `the server speaks API ${session.version}, exports are of 4.0`;
      if (snapshot !== undefined && !session.atLeast('5.5'))
        return `the server speaks API ${session.version}, exports of a snapshot are of 5.5`;
      if (snapshot === undefined && machine.state === 'suspended')
        return 'a suspended machine is not exported';
      if (disk.rdm === 'physicalMode') return 'a physical raw device mapping is not exported';
      if (snapshot !== undefined && disk.mode.startsWith('independent'))
        return 'the snapshot does not have it';
      return undefined;
    },
    open: (subject, signal) => openExported(exportOf(subject), subject, signal),
    async close() {
      await Promise.all([...exports.values()].map((shared) => shared.stop()));
    },
  };
};

/** Behind the descriptor, as VMware's writers have it. */
const headBytes = 64 * 1024;
/** Once all is read, the end of the answer is not waited for any longer, in milliseconds. */
const endMs = 1000;

async function openExported(
  shared: MachineExport,
  subject: WaySubject,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const { disk, machine, file } = subject;
  const name = file === undefined ? `${machine.name} ${disk.label}.vmdk` : formatDatastorePath(file);
  const index = machine.disks.findIndex(({ id }) => id === subject.diskId);
  const reader = shared.enter(machine.disks[index]?.allocatedSizeBytes ?? disk.sizeBytes ?? 0);
  const closing = new AbortController();
  const pieces = leaseStream({
    name,
    tell: shared.tellLog,
    signal: AbortSignal.any([signal, closing.signal]),
    begin: (until) => shared.begin((devices) => deviceOf(devices, disk, machine.name), until),
  });
  const rest = counting(pieces, reader, shared);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      if (!reader.whole && reader.takenBytes > headBytes) await endsSoon(rest);
      closing.abort();
      await rest.return(undefined).catch(() => undefined);
      await shared.leave();
    })();
    return closed;
  };
  try {
    const head = await takeHead(rest);
    const source = forwardSource(
      { wrappers: [], head, whole: reader.whole, rest, close: async () => undefined },
      { name, size: unknownSize, access: 'forward', read: async () => undefined, close },
      unknownSize,
    );
    return { source, format: 'vmdk', sibling: async (wanted) => Promise.reject(noSibling(wanted, name)) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* counting(pieces: AsyncGenerator<Buffer>, reader: Reader, shared: MachineExport) {
  try {
    for await (const piece of pieces) {
      reader.takenBytes += piece.length;
      shared.tell();
      yield piece;
    }
    reader.whole = true;
  } finally {
    await pieces.return(undefined);
  }
}

async function takeHead(pieces: AsyncGenerator<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let held = 0; held < headBytes; ) {
    const { done, value } = await pieces.next();
    if (done) break;
    parts.push(value);
    held += value.length;
  }
  return Buffer.concat(parts);
}

/** The mark of the end was read: then the answer ends as well. */
async function endsSoon(pieces: AsyncGenerator<Buffer>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, endMs);
  });
  await Promise.race([pieces.next().catch(() => undefined), late]);
  clearTimeout(timer);
}

const noSibling = (wanted: string, name: string): AppError =>
  new AppError('unsupported', `the exported disk names another file, "${wanted.slice(0, 100)}"`, {
    where: name,
  });

const kinds: readonly (readonly [pattern: RegExp, bus: DiskDevice['bus']])[] = [
  [/scsi|lsi|buslogic/i, 'scsi'],
  [/ide/i, 'ide'],
  [/ahci|sata/i, 'sata'],
  [/nvme/i, 'nvme'],
];

/** By its key: `/vm-7/VirtualLsiLogicController0:0`, the controller's class, its number, the unit. @throws AppError. */
export function deviceOf(devices: readonly LeaseDevice[], disk: DiskDevice, machine: string): LeaseDevice {
  const found = devices.filter((device) => {
    const [, name = '', bus, unit] = /([A-Za-z]*)(\d+):(\d+)$/.exec(device.key) ?? [];
    const kind = kinds.find(([pattern]) => pattern.test(name))?.[1];
    return device.disk && kind === disk.bus && Number(bus) === disk.controller && Number(unit) === disk.unit;
  });
  if (found.length === 1) return found[0]!;
  const offered = devices
    .map(({ key }) => key.replace(/[^\x20-\x7e]/g, '?'))
    .join(', ')
    .slice(0, 300);
  throw new AppError(
    'unsupported',
    `the export has ${found.length === 0 ? 'no disk' : 'several disks'} for ${disk.label}`,
    { where: machine, hint: `it offers: ${offered || 'nothing'}` },
  );
}
