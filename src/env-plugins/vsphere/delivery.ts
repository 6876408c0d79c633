/**
 * One machine on its way into a server: made empty by ImportVApp, its disks sent through the lease that this gives,
 * and there for good once the lease is complete.
 */
import { AppError, toAppError } from '../../model/errors.ts';
import { withLeftovers } from '../../model/leftover.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import { sameName } from './check-delivery.ts';
import { configSpec } from './config-spec.ts';
import { folderUrl, parseDatastorePath } from './datastore-path.ts';
import type { Ground } from './ground.ts';
import { carriedNvram, fitMachine } from './import-spec.ts';
import { freeUuid, type ImportedMachine, removeImported } from './imported-machine.ts';
import { Lease, type ReachHost } from './lease.ts';
import { type LeaseUpload, leaseUpload } from './lease-upload.ts';
import { devicesFor } from './match-devices.ts';
import { textAt } from './places.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf, refTo, typed } from './soap.ts';
import { startMachine } from './start-machine.ts';

export interface DeliveryPlace {
  readonly session: VimSession;
  readonly reach: ReachHost;
  readonly ground: Ground;
}

/** @throws AppError `conflict` (the name), `no-space`, `auth` (a privilege), `unsupported`, `cancelled`. */
export async function beginDelivery(place: DeliveryPlace, request: DeliveryRequest): Promise<Delivery> {
  const { session, ground } = place;
  const { spec } = fitMachine(request, ground);
  // Between the check and now somebody may have made one.
  const [taken] = await sameName(session, ground, request);
  if (taken !== undefined) throw new AppError('conflict', taken.message, { hint: taken.remedy! });
  const made: ImportedMachine = {
    name: request.name,
    uuid: await freeUuid(session, spec.uuid, request.signal),
  };
  const uploads: LeaseUpload[] = [];
  let lease: Lease | undefined;
  let committed = false;
  const undo = async () => {
    for (const { sink } of uploads) await sink.abort();
    await lease?.abort();
    return removeImported(session, made);
  };
  try {
    lease = await openLease(place, request, made);
    const { entity, devices: given } = lease;
    if (entity === undefined) throw new AppError('corrupt', 'importing: the server names no machine');
    made.entity = entity;
    const using = lease;
    const nodes = spec.disks.map(({ node }) => node);
    const devices = devicesFor(given, nodes, session.client.name);
    const all = spec.disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
    let sent = 0;
    const onBytes = (count: number) => {
      sent += count;
      // What a stream will have in all is not known before its end: the server is told a guess.
      using.progress((sent / all) * 100);
    };
    return {
      async sink({ name }) {
        const disk = spec.disks[uploads.length];
        const device = devices[uploads.length];
        if (disk === undefined || device === undefined) {
          throw new AppError('unsupported', `${name}: the machine has no more disks`, {
            hint: 'a disk of several parts can not be sent: leave its part size at 0',
          });
        }
        const { capacityBytes } = disk;
        const { signal } = request;
        const upload = leaseUpload(using, { name, device, capacityBytes, signal, onBytes });
        uploads.push(upload);
        return upload.sink;
      },
      async commit() {
        if (uploads.length !== spec.disks.length || !uploads.every((upload) => upload.done())) {
          throw new AppError('bug', 'not all disks of the machine were sent');
        }
        await using.complete();
        const vmx = await vmxPath(session, entity);
        const nvram = carriedNvram(request);
        if (nvram !== undefined) await sendNvram(place, entity, vmx, nvram);
        committed = true;
        return [`${session.client.name} ${ground.folder.label}/${spec.name}`, vmx];
      },
      async rollback() {
        return committed ? [] : undo();
      },
      start: (signal) => startMachine(session, entity, signal),
    };
  } catch (error) {
    throw withLeftovers(toAppError(error), await undo());
  }
}

async function openLease(
  { session, reach, ground }: DeliveryPlace,
  request: DeliveryRequest,
  made: ImportedMachine,
): Promise<Lease> {
  const { spec } = fitMachine(request, ground);
  const step = `importing "${request.name}"`;
  const { place, folder } = ground;
  // Not cancelled half-way: whether there is a lease must be known before it is ended.
  const [value] = await session.call(
    'ImportVApp',
    place.pool,
    [
      typed('spec', 'VirtualMachineImportSpec', configSpec(spec, made.uuid)),
      refTo('folder', folder.folder),
      ...(place.host === undefined ? [] : [refTo('host', place.host)]),
    ],
    { step },
  );
  if (value === undefined) throw new AppError('corrupt', `${step}: the server gave no lease`);
  made.lease = refOf(value);
  return Lease.ready(session, made.lease, { step, reach, signal: request.signal });
}

async function vmxPath(session: VimSession, entity: Ref): Promise<string> {
  const step = 'reading the new machine';
  const { values } = await ofObject(session, entity, ['config.files'], step, undefined);
  const path = textAt(values.get('config.files'), 'vmPathName');
  if (path === undefined) throw new AppError('corrupt', `${step}: the server does not tell its files`);
  return path;
}

/** Beside its .vmx, under the name that the server has for it. */
async function sendNvram(
  { session, ground }: DeliveryPlace,
  entity: Ref,
  vmx: string,
  nvram: Uint8Array,
): Promise<void> {
  const step = "sending the firmware's variables";
  const { values } = await ofObject(session, entity, ['config.extraConfig'], step, undefined);
  const options = values.get('config.extraConfig')?.children ?? [];
  const own = textAt(
    options.find((option) => textAt(option, 'key') === 'nvram'),
    'value',
  );
  const at = parseDatastorePath(vmx);
  const name = own !== undefined && /^[^/\\\0]{1,255}$/.test(own) ? own : undefined;
  const folder = at.path.includes('/') ? at.path.slice(0, at.path.lastIndexOf('/') + 1) : '';
  const path = name === undefined ? at.path.replace(/\.vmx$/, '.nvram') : folder + name;
  const answer = await session.client.send({
    method: 'PUT',
    path: folderUrl({ datastore: at.datastore, path }, ground.datastore.dcPath),
    headers: { cookie: session.cookie, 'content-type': 'application/octet-stream' },
    body: nvram,
    step,
  });
  if (answer.status >= 200 && answer.status < 300) return;
  throw new AppError(
    answer.status === 401 ? 'auth' : 'io',
    `${step}: the server answers HTTP ${answer.status}`,
    {
      where: session.client.name,
      hint: 'it needs the privilege Datastore.FileManagement; or choose new ones under "UEFI variables"',
    },
  );
}
