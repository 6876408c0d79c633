/**
 * One machine on its way into a pool: its disks are made and filled under names of ours; the machine is made of them when
 * all are there. Until then nothing has its name, and a rollback removes what was made, and nothing else.
 */
import { AppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { MachineDisk } from '../../model/machine.ts';
import { countIn, nullRef, textIn, type XenRecord } from '../../packages/xva/records.ts';
import { cdRecord, deviceNumbers, vbdRecord, vmRecord } from '../../packages/xva/xen-record.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import { carriedVariables, nameFindings } from './check-delivery.ts';
import { chunkUpload, type DiskUpload } from './chunk-upload.ts';
import { makeNics, startMachine } from './delivered-machine.ts';
import { importDelivery } from './import-delivery.ts';
import { type MadeThing, removeMade } from './made-things.ts';
import { chosenRepository, readPlaces } from './places.ts';
import type { XapiSession } from './session.ts';
import { clientForStorage } from './storage-hosts.ts';

interface MadeDisk extends MadeThing {
  readonly name: string;
  upload?: DiskUpload;
}

/** @throws AppError `conflict` (the name), `not-found` (the storage), `auth`, `cancelled`. */
export async function beginDelivery(session: XapiSession, request: DeliveryRequest): Promise<Delivery> {
  const { name, machine, settings, signal, runId } = request;
  const places = await readPlaces(session, signal);
  const [taken] = nameFindings(places, request);
  if (taken !== undefined) throw new AppError('conflict', taken.message, { hint: taken.remedy! });
  const storage = chosenRepository(places, settings);
  if (settings.transfer === 'xva') return importDelivery({ session, places, storage, request });
  const label = `vmferry-${runId} ${name}`;
  const disks: MadeDisk[] = [];
  let made: MadeThing | undefined;
  let committed = false;
  let opening: Promise<unknown> = Promise.resolve();

  const makeDisk = async (file: { readonly name: string; readonly size?: number }): Promise<DiskUpload> => {
    const index = disks.length;
    const given = machine.disks[index];
    if (given === undefined) throw new AppError('unsupported', `${file.name}: the machine has no more disks`);
    const wanted = file.size ?? given.virtualSizeBytes;
    if (wanted === undefined || wanted === 0)
      throw new AppError('unsupported', `${file.name}: how large the disk is to be is not known`);
    const step = `making the disk ${file.name}`;
    const disk: MadeDisk = { kind: 'VDI', label: `${label} ${index}`, name: `${name} ${index}` };
    disks.push(disk);
    // Not cancelled half-way: what was made must be known before it is removed.
    const vdi = await session.text('VDI.create', [newDisk(disk.label, storage.ref, wanted, given)], { step });
    disk.ref = vdi;
    const record = await session.record('VDI.get_record', [vdi], { step, signal });
    const uuid = textIn(record, 'uuid');
    if (uuid !== undefined) disk.uuid = uuid;
    const size = countIn(record, 'virtual_size') ?? 0;
    if (size < wanted)
      throw new AppError('io', `${step}: it got ${size} bytes instead of ${wanted}`, { where: session.name });
    const client = await clientForStorage(session, [storage.ref], signal);
    disk.upload = chunkUpload(session, { name: file.name, vdi, size, client, signal });
    return disk.upload;
  };

  const makeMachine = async () => {
    const step = `making the machine "${name}"`;
    const record = vmRecord(label, machine, { efiVariables: carriedVariables(request) });
    made = { kind: 'VM', label };
    const vm = await session.text('VM.create', [record], { step });
    made.ref = vm;
    made.uuid = await session.text('VM.get_uuid', [vm], { step });
    const hasCd = (machine.devices?.cdroms?.length ?? 0) > 0;
    const numbers = deviceNumbers(disks.length, hasCd);
    for (const [i, { ref, name: final }] of disks.entries()) {
      const vdi = ref!;
      await session.call('VBD.create', [vbdRecord(vm, vdi, numbers[i]!, machine.disks[i]!.readOnly)], {
        step,
      });
      await session.call('VDI.set_name_label', [vdi, final], { step });
      await session.call('VDI.set_name_description', [vdi, ''], { step });
    }
    if (hasCd) await session.call('VBD.create', [cdRecord(vm)], { step });
    await makeNics({ session, places, request }, vm, step);
    await session.call('VM.set_name_label', [vm, name], { step });
    return made.uuid;
  };

  return {
    sink(file) {
      const mine = opening.then(async () => (await makeDisk(file)).sink);
      opening = mine.catch(() => undefined);
      return mine;
    },
    async commit() {
      if (disks.length !== machine.disks.length || !disks.every(({ upload }) => upload?.done()))
        throw new AppError('bug', 'not all disks of the machine were sent');
      const uuid = await makeMachine();
      committed = true;
      return [
        `${session.name} ${name} (${uuid})`,
        ...disks.map(({ name: final }) => `${storage.label}/${final}`),
      ];
    },
    async rollback() {
      if (committed) return [];
      await opening;
      const left: Leftover[] = [];
      for (const { upload } of disks) left.push(...((await upload?.abort()) ?? []));
      left.push(...(await removeMade(session, made === undefined ? disks : [made, ...disks])));
      return left;
    },
    start: (abort) => startMachine(session, made?.ref ?? nullRef, name, abort),
  };
}

function newDisk(label: string, SR: string, bytes: number, { shared }: MachineDisk): XenRecord {
  return {
    name_label: label,
    name_description: 'being filled by vmferry',
    SR,
    virtual_size: String(bytes),
    type: 'user',
    sharable: shared === true,
    read_only: false,
    other_config: {},
    xenstore_data: {},
    sm_config: {},
    tags: [],
  };
}
