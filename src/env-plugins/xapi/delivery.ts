/**
 * One machine on its way into a pool: its disks are made and filled under names of ours; the machine is made of them when
 * all are there. Until then nothing has its name, and a rollback removes what was made, and nothing else.
 */
import { AppError } from '../../model/errors.ts';
import { countIn, nullRef } from '../../packages/xva/records.ts';
import { cdRecord, deviceNumbers, vbdRecord, vmRecord } from '../../packages/xva/xen-record.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import { carriedVariables, nameFindings } from './check-delivery.ts';
import { chunkUpload, type DiskUpload } from './chunk-upload.ts';
import { makeNics, remove, startMachine } from './delivered-machine.ts';
import { importDelivery } from './import-delivery.ts';
import { chosenRepository, readPlaces } from './places.ts';
import type { XapiSession } from './session.ts';
import { clientForStorage } from './storage-hosts.ts';

interface MadeDisk {
  readonly vdi: string;
  readonly name: string;
  readonly upload: DiskUpload;
}

/** @throws AppError `conflict` (the name), `not-found` (the storage), `auth`, `cancelled`. */
export async function beginDelivery(session: XapiSession, request: DeliveryRequest): Promise<Delivery> {
  const { name, machine, settings, signal, runId } = request;
  const places = await readPlaces(session, signal);
  const [taken] = nameFindings(places, request);
  if (taken !== undefined) throw new AppError('conflict', taken.message, { hint: taken.remedy! });
  const storage = chosenRepository(places, settings);
  if (settings.transfer === 'xva') return importDelivery({ session, places, storage, request });
  const disks: MadeDisk[] = [];
  let vm: string | undefined;
  let committed = false;
  let opening: Promise<unknown> = Promise.resolve();

  const makeDisk = async (file: { readonly name: string; readonly size?: number }): Promise<MadeDisk> => {
    const index = disks.length;
    const given = machine.disks[index];
    if (given === undefined) throw new AppError('unsupported', `${file.name}: the machine has no more disks`);
    const wanted = file.size ?? given.virtualSizeBytes;
    if (wanted === undefined || wanted === 0)
      throw new AppError('unsupported', `${file.name}: how large the disk is to be is not known`);
    const step = `making the disk ${file.name}`;
    // Not cancelled half-way: what was made must be known before it is removed.
    const vdi = await session.text(
      'VDI.create',
      [
        {
          name_label: `vmferry-${runId} ${file.name}`,
          name_description: 'being filled by vmferry',
          SR: storage.ref,
          virtual_size: String(wanted),
          type: 'user',
          sharable: given.shared === true,
          read_only: false,
          other_config: {},
          xenstore_data: {},
          sm_config: {},
          tags: [],
        },
      ],
      { step },
    );
    const made = { vdi, name: `${name} ${index}` };
    try {
      const size =
        countIn(await session.record('VDI.get_record', [vdi], { step, signal }), 'virtual_size') ?? 0;
      if (size < wanted)
        throw new AppError('io', `${step}: it got ${size} bytes instead of ${wanted}`, {
          where: session.name,
        });
      const client = await clientForStorage(session, [storage.ref], signal);
      return { ...made, upload: chunkUpload(session, { name: file.name, vdi, size, client, signal }) };
    } catch (error) {
      await remove(() => session.call('VDI.destroy', [vdi], { step: 'removing a disk' }));
      throw error;
    }
  };

  const makeMachine = async () => {
    const step = `making the machine "${name}"`;
    vm = await session.text(
      'VM.create',
      [vmRecord(name, machine, { efiVariables: carriedVariables(request) })],
      { step },
    );
    const hasCd = (machine.devices?.cdroms?.length ?? 0) > 0;
    const numbers = deviceNumbers(disks.length, hasCd);
    for (const [i, { vdi, name: label }] of disks.entries()) {
      await session.call('VBD.create', [vbdRecord(vm, vdi, numbers[i]!, machine.disks[i]!.readOnly)], {
        step,
      });
      await session.call('VDI.set_name_label', [vdi, label], { step });
      await session.call('VDI.set_name_description', [vdi, ''], { step });
    }
    if (hasCd) await session.call('VBD.create', [cdRecord(vm)], { step });
    await makeNics({ session, places, request }, vm, step);
    return session.text('VM.get_uuid', [vm], { step });
  };

  return {
    sink(file) {
      const mine = opening.then(async () => {
        const made = await makeDisk(file);
        disks.push(made);
        return made.upload.sink;
      });
      opening = mine.catch(() => undefined);
      return mine;
    },
    async commit() {
      if (disks.length !== machine.disks.length || !disks.every(({ upload }) => upload.done()))
        throw new AppError('bug', 'not all disks of the machine were sent');
      const uuid = await makeMachine();
      committed = true;
      return [
        `${session.name} ${name} (${uuid})`,
        ...disks.map(({ name: label }) => `${storage.label}/${label}`),
      ];
    },
    async rollback() {
      if (committed) return [];
      await opening;
      for (const { upload } of disks) await upload.sink.abort();
      const made = vm;
      if (made !== undefined)
        await remove(() => session.call('VM.destroy', [made], { step: 'removing the machine' }));
      vm = undefined;
      for (const { vdi } of disks.splice(0))
        await remove(() => session.call('VDI.destroy', [vdi], { step: 'removing a disk' }));
      return [];
    },
    start: (abort) => startMachine(session, vm ?? nullRef, name, abort),
  };
}
