/**
 * One machine on its way into a pool as a whole: PUT /import ("VM import/export" of the XenAPI), an XVA as a stream, each
 * block with its checksum. The machine and its disks are made by the server, under names of ours; the final ones are given
 * when all is there. The cards are made then, so that each is joined to the network that was chosen for it.
 */
import type { ByteSink } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { nullRef, refIn, textIn, textsIn } from '../../packages/xva/records.ts';
import { packAsXva } from '../../packages/xva/write-xva.ts';
import type { Delivery } from '../plugin.ts';
import { type DeliveryPlace, makeNics, remove, startMachine } from './delivered-machine.ts';
import { gone } from './hold.ts';
import { allOf } from './inventory.ts';
import type { Repository } from './places.ts';
import type { XapiSession } from './session.ts';
import { clientForStorage } from './storage-hosts.ts';
import { TaskUpload } from './task-upload.ts';

export interface ImportPlace extends DeliveryPlace {
  readonly storage: Repository & { readonly label: string };
}

/** What the server has made, as long as it is not final. */
interface Imported {
  vm?: string;
  /** Its disks, in the machine's order. */
  vdis: string[];
}

/** @throws AppError. */
export async function importDelivery(place: ImportPlace): Promise<Delivery> {
  const { session, storage, request } = place;
  const { name, machine, settings, signal, runId } = request;
  const label = `vmferry-${runId} ${name}`;
  const step = `sending the machine "${name}"`;
  const client = await clientForStorage(session, [storage.ref], signal);
  const query = { sr_id: storage.ref };
  const upload = new TaskUpload(session, { path: '/import', query, client, step, signal });
  const imported: Imported = { vdis: [] };
  let opened = 0;
  let committed = false;
  const archive = packAsXva(
    {
      sink: async () =>
        archiveSink(upload, step, signal, (result) => {
          imported.vm = machineIn(result, session, step);
        }),
      commit: async () => [],
      rollback: async () => {
        await upload.abort();
        return [];
      },
    },
    {
      name: 'machine',
      machine: { ...machine, name: label, nics: [] },
      disks: machine.disks.map(({ id, virtualSizeBytes }, i) => {
        if (virtualSizeBytes === undefined || virtualSizeBytes === 0)
          throw new AppError('unsupported', `${id}: how large the disk is to be is not known`);
        const capacityBytes = Math.ceil(virtualSizeBytes / 512) * 512;
        return { fileName: `disk-${i}`, capacityBytes, machineDisk: id };
      }),
      ...(settings.nvram === 'new' ? {} : { nvram: request.nvram }),
    },
  );

  return {
    async sink(file) {
      const index = opened++;
      const given = machine.disks[index];
      if (given === undefined)
        throw new AppError('unsupported', `${file.name}: the machine has no more disks`);
      if (file.size !== undefined && file.size !== given.virtualSizeBytes)
        throw new AppError(
          'bug',
          `${file.name}: ${file.size} bytes where ${given.virtualSizeBytes} were planned`,
        );
      return archive.sink({ name: `disk-${index}` });
    },
    async commit() {
      await archive.commit();
      const vm = imported.vm!;
      imported.vdis = await disksOf(session, vm, machine.disks.length);
      await makeNics(place, vm, `making the machine "${name}"`);
      const naming = { step: `naming the machine "${name}"` };
      for (const [i, vdi] of imported.vdis.entries())
        await session.call('VDI.set_name_label', [vdi, `${name} ${i}`], naming);
      const uuid = await session.text('VM.get_uuid', [vm], naming);
      await session.call('VM.set_name_label', [vm, name], naming);
      committed = true;
      return [
        `${session.name} ${name} (${uuid})`,
        ...imported.vdis.map((_, i) => `${storage.label}/${name} ${i}`),
      ];
    },
    async rollback() {
      if (committed) return [];
      await archive.rollback();
      await remove(() => removeImported(session, label, imported));
      return [];
    },
    start: (abort) => startMachine(session, imported.vm ?? nullRef, name, abort),
  };
}

/** The packer writes one piece after the other, without gaps. */
function archiveSink(
  upload: TaskUpload,
  step: string,
  signal: AbortSignal,
  done: (result: string) => void,
): ByteSink {
  let end = 0;
  return {
    name: step,
    access: 'forward',
    async write(bytes, offset) {
      throwIfAborted(signal);
      if (offset !== end) throw new AppError('bug', `${step}: bytes at ${offset} after ${end}`);
      await upload.send(bytes);
      end += bytes.length;
    },
    async finish(size) {
      throwIfAborted(signal);
      // The end of a tar is zeros.
      done(await upload.finish(Buffer.alloc(size - end)));
    },
    abort: () => upload.abort(),
  };
}

/** The task's result is a list of machines. @throws AppError `corrupt`. */
function machineIn(result: string, { name: where }: XapiSession, step: string): string {
  const [vm, ...more] = result.match(/OpaqueRef:[\w-]{1,100}/g) ?? [];
  if (vm === undefined || more.length > 0)
    throw new AppError('corrupt', `${step}: the server tells of ${more.length + (vm ? 1 : 0)} machines`, {
      where,
    });
  return vm;
}

/** By the places of their drives. @throws AppError `corrupt`. */
async function disksOf(session: XapiSession, vm: string, count: number): Promise<string[]> {
  const step = 'looking at the machine';
  const record = await session.record('VM.get_record', [vm], { step });
  const drives = await Promise.all(
    textsIn(record, 'VBDs').map((vbd) => session.record('VBD.get_record', [vbd], { step })),
  );
  const disks = drives.filter(
    (drive) => textIn(drive, 'type') === 'Disk' && refIn(drive, 'VDI') !== undefined,
  );
  disks.sort((a, b) => Number(textIn(a, 'userdevice')) - Number(textIn(b, 'userdevice')));
  if (disks.length !== count)
    throw new AppError('corrupt', `${step}: it has ${disks.length} disks, and ${count} were sent`, {
      where: session.name,
    });
  return disks.map((drive) => refIn(drive, 'VDI')!);
}

/** A server that was told to end removes what it made, too: whoever is first. */
async function removeImported(session: XapiSession, label: string, { vm, vdis }: Imported): Promise<void> {
  const step = 'removing what was imported';
  const [machines, images] = await Promise.all([allOf(session, 'VM', step), allOf(session, 'VDI', step)]);
  for (const [ref, record] of machines)
    if (ref === vm || textIn(record, 'name_label') === label)
      await gone(session.call('VM.destroy', [ref], { step }));
  for (const [ref, record] of images)
    if (vdis.includes(ref) || textIn(record, 'name_label')?.startsWith(`${label} `))
      await gone(session.call('VDI.destroy', [ref], { step }));
}
