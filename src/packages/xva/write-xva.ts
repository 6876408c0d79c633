/**
 * A machine as an XVA, written in one pass: the description, then each disk in blocks with their checksums. Blocks of
 * zeros are left out, but for the first and the last of a disk. Nothing is written twice, so the archive may be a stream.
 */
import { randomUUID } from 'node:crypto';
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine, MachineDisk } from '../../model/machine.ts';
import {
  checkKnown,
  checkRequest,
  type PackageDelivery,
  type PackageRequest,
} from '../ovf/package-request.ts';
import { encodeTarHeader, tarBlockBytes } from '../ovf/tar-header.ts';
import { formatOvaXml, type XvaObject } from './ova-xml.ts';
import { nullRef } from './records.ts';
import { cdRecord, deviceNumbers, vbdRecord, vifRecord, vmRecord, xenVariables } from './xen-record.ts';
import { blockBytes, descriptionName, padded, xxhText } from './xva-tar.ts';

/** An importer takes the disks in the order of their directories' names: equal lengths keep it that of the numbers. */
const directoryOf = (index: number): string => `Ref:${1000 + index}`;

/** `name.xva`, the only file of the inner delivery. Disks come as plain bytes, one after the other. */
export function packAsXva(inner: PackageDelivery, request: PackageRequest): PackageDelivery {
  checkRequest(request);
  const mtime = request.mtimeSeconds ?? Math.floor(Date.now() / 1000);
  const finished = new Map<string, true>();
  let archive: ByteSink | undefined;
  let busy: string | undefined;
  let end = 0;

  const member = async (name: string, bytes: Uint8Array) => {
    const whole = Buffer.alloc(tarBlockBytes + padded(bytes.length));
    encodeTarHeader(name, bytes.length, mtime).copy(whole);
    whole.set(bytes, tarBlockBytes);
    await archive!.write(whole, end);
    end += whole.length;
  };
  const openArchive = async () => {
    if (archive !== undefined) return;
    archive = await inner.sink({ name: `${request.name}.xva` });
    await member(descriptionName, formatOvaXml(objectsOf(request)));
  };

  return {
    async sink({ name }) {
      checkKnown(request, finished, name);
      const index = request.disks.findIndex(({ fileName }) => fileName === name);
      if (busy !== undefined)
        throw new AppError('bug', `"${name}" is opened while "${busy}" is being written`);
      if (index !== finished.size) throw new AppError('bug', `"${name}" comes out of the order of the disks`);
      busy = name;
      await openArchive();
      return blockSink(name, request.disks[index]!.capacityBytes, directoryOf(index), member, () => {
        finished.set(name, true);
        busy = undefined;
      });
    },
    async commit() {
      if (busy !== undefined || finished.size !== request.disks.length)
        throw new AppError('bug', `${finished.size} of ${request.disks.length} disks are written`);
      await openArchive();
      await archive!.finish(end + 2 * tarBlockBytes);
      archive = undefined;
      return inner.commit();
    },
    async rollback() {
      await archive?.abort();
      archive = undefined;
      return inner.rollback();
    },
  };
}

/** Gathers what comes into blocks. Several writes may be under way; they are taken in their order. */
function blockSink(
  name: string,
  capacity: number,
  directory: string,
  member: (name: string, bytes: Uint8Array) => Promise<void>,
  done: () => void,
): ByteSink {
  const last = Math.ceil(capacity / blockBytes) - 1;
  const block = Buffer.alloc(blockBytes);
  let number = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const put = async () => {
    const bytes = block.subarray(0, Math.min(blockBytes, capacity - number * blockBytes));
    if (number === 0 || number === last || !bytes.equals(zeros.subarray(0, bytes.length))) {
      const path = `${directory}/${String(number).padStart(8, '0')}`;
      await member(path, bytes);
      await member(`${path}.xxhash`, Buffer.from(await xxhText(bytes), 'latin1'));
    }
    block.fill(0);
  };
  /** Blocks before that of `wanted` are whole; those between hold nothing. */
  const goTo = async (wanted: number) => {
    if (wanted === number) return;
    await put();
    number = wanted;
  };
  const take = async (bytes: Uint8Array, offset: number) => {
    if (offset < number * blockBytes || offset + bytes.length > capacity)
      throw new AppError('bug', `${name}: ${bytes.length} bytes at ${offset} of ${capacity}`);
    for (let at = 0; at < bytes.length; ) {
      await goTo(Math.floor((offset + at) / blockBytes));
      const within = (offset + at) % blockBytes;
      const part = bytes.subarray(at, at + blockBytes - within);
      block.set(part, within);
      at += part.length;
    }
  };
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine;
    mine.catch(() => undefined);
    return mine;
  };
  return {
    name,
    access: 'forward',
    write: (bytes, offset) => inTurn(() => take(bytes, offset)),
    finish: () =>
      inTurn(async () => {
        await goTo(last);
        await put();
        done();
      }),
    // The archive is the packer's: it is aborted with the whole delivery.
    abort: async () => undefined,
  };
}

const zeros = Buffer.alloc(blockBytes);

/** The machine and what hangs on it, as an importer puts them together. */
function objectsOf({ machine, disks, nvram }: PackageRequest): XvaObject[] {
  const { name } = machine;
  const objects: XvaObject[] = [];
  let next = 1;
  const add = (kind: string, record: XvaObject['record'], id = `Ref:${next++}`): string => {
    objects.push({ kind, id, record });
    return id;
  };
  const vm = `Ref:${next++}`;
  const sr = add('SR', {
    uuid: randomUUID(),
    name_label: 'vmferry',
    name_description: '',
    type: 'ext',
    content_type: 'user',
    shared: false,
  });
  const hasCd = (machine.devices?.cdroms?.length ?? 0) > 0;
  const numbers = deviceNumbers(disks.length, hasCd);
  const vbds = disks.map(({ capacityBytes, machineDisk }, i) => {
    const disk = machine.disks.find(({ id }) => id === machineDisk);
    const vdi = add('VDI', vdiRecord(name, sr, capacityBytes, i, disk), directoryOf(i));
    return add('VBD', {
      uuid: randomUUID(),
      ...vbdRecord(vm, vdi, numbers[i]!, disk?.readOnly),
      ...unplugged,
    });
  });
  if (hasCd) vbds.push(add('VBD', { uuid: randomUUID(), ...cdRecord(vm), ...unplugged }));
  const networks = new Map<string, string>();
  const vifs = machine.nics.map((nic, i) => {
    const label = nic.network ?? 'network';
    const network = networks.get(label) ?? add('network', networkRecord(label));
    networks.set(label, network);
    const record = vifRecord(vm, network, nic, i);
    return add('VIF', { uuid: randomUUID(), ...record, ...unplugged, MAC_autogenerated: record.MAC === '' });
  });
  return [{ kind: 'VM', id: vm, record: wholeVm(machine, vbds, vifs, xenVariables(nvram)) }, ...objects];
}

const unplugged = {
  allowed_operations: [],
  current_operations: {},
  currently_attached: false,
  status_code: '0',
  status_detail: '',
  runtime_properties: {},
  qos_supported_algorithms: [],
  metrics: nullRef,
};

const networkRecord = (label: string) => ({
  uuid: randomUUID(),
  name_label: label,
  name_description: '',
  VIFs: [],
  PIFs: [],
  MTU: '1500',
  other_config: {},
  bridge: '',
  tags: [],
});

function wholeVm(
  machine: Machine,
  VBDs: readonly string[],
  VIFs: readonly string[],
  efiVariables: string | undefined,
) {
  return {
    uuid: machine.uuid ?? randomUUID(),
    allowed_operations: [],
    current_operations: {},
    power_state: 'Halted',
    ...vmRecord(machine.name, machine, { efiVariables }),
    suspend_VDI: nullRef,
    resident_on: nullRef,
    VBDs,
    VIFs,
    consoles: [],
    crash_dumps: [],
    VTPMs: [],
    domid: '-1',
    domarch: '',
    last_boot_CPU_flags: {},
    is_control_domain: false,
    metrics: nullRef,
    guest_metrics: nullRef,
    last_booted_record: '',
    xenstore_data: {},
    is_a_snapshot: false,
    snapshot_of: nullRef,
    snapshots: [],
    snapshot_time: '19700101T00:00:00Z',
    transportable_snapshot_id: '',
    blobs: {},
    snapshot_info: {},
    snapshot_metadata: '',
    parent: nullRef,
    children: [],
    bios_strings: {},
  };
}

const vdiRecord = (name: string, sr: string, size: number, index: number, disk: MachineDisk | undefined) => ({
  uuid: randomUUID(),
  name_label: `${name} ${index}`,
  name_description: '',
  allowed_operations: [],
  current_operations: {},
  SR: sr,
  VBDs: [],
  crash_dumps: [],
  virtual_size: String(size),
  physical_utilisation: String(size),
  type: 'user',
  sharable: disk?.shared === true,
  read_only: false,
  other_config: {},
  storage_lock: false,
  location: '',
  managed: true,
  missing: false,
  parent: nullRef,
  xenstore_data: {},
  sm_config: {},
  is_a_snapshot: false,
  snapshot_of: nullRef,
  snapshots: [],
  snapshot_time: '19700101T00:00:00Z',
  tags: [],
});
