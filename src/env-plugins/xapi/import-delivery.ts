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
import { type DeliveryPlace, makeNics, startMachine } from './delivered-machine.ts';
import { type MadeThing, removeMade } from './made-things.ts';
import type { Repository } from './places.ts';
import type { XapiSession } from './session.ts';
import { clientForStorage } from './storage-hosts.ts';
import { TaskUpload } from './task-upload.ts';

export interface ImportPlace extends DeliveryPlace {
  readonly storage: Repository & { readonly label: string };
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
  // What the server makes of the archive.
  const made: MadeThing = { kind: 'VM', label };
  const images = machine.disks.map((_, i): MadeThing => ({ kind: 'VDI', label: `${label} ${i}` }));
  let opened = 0;
  let committed = false;
  const archive = packAsXva(
    {
      sink: async () =>
        archiveSink(upload, step, signal, (result) => {
          made.ref = machineIn(result, session, step);
        }),
      commit: async () => [],
      rollback: () => upload.abort(),
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
      const vm = made.ref!;
      const naming = { step: `naming the machine "${name}"` };
      const uuid = await session.text('VM.get_uuid', [vm], naming);
      made.uuid = uuid;
      const vdis = await disksOf(session, vm, machine.disks.length);
      await makeNics(place, vm, `making the machine "${name}"`);
      for (const [i, vdi] of vdis.entries()) {
        const image = images[i]!;
        image.ref = vdi;
        image.uuid = await session.text('VDI.get_uuid', [vdi], naming);
        await session.call('VDI.set_name_label', [vdi, `${name} ${i}`], naming);
      }
      await session.call('VM.set_name_label', [vm, name], naming);
      committed = true;
      return [`${session.name} ${name} (${uuid})`, ...images.map((_, i) => `${storage.label}/${name} ${i}`)];
    },
    async rollback() {
      if (committed) return [];
      const left = await archive.rollback();
      // A server that was told to end removes what it made, too: whoever is first.
      return [...left, ...(await removeMade(session, [made, ...images]))];
    },
    start: (abort) => startMachine(session, made.ref ?? nullRef, name, abort),
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
    abort: async () => void (await upload.abort()),
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
