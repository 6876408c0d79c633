/**
 * A datastore's files from the ESXi host that runs the machine, not through its vCenter: a ticket of the vCenter opens
 * one request there (vSphere API reference, SessionManager.AcquireGenericServiceTicket, since 5.0).
 */
import type { HttpsClient } from '../../../io/https/client.ts';
import { textOf } from '../../../io/xml.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { type DatastorePath, folderUrl } from '../datastore-path.ts';
import { type FileServer, openDatastoreFile } from '../disk-file.ts';
import { valueText } from '../places.ts';
import { ofObject } from '../properties.ts';
import { reachHost } from '../reach-host.ts';
import { text, typed } from '../soap.ts';
import { withAllocated } from './allocated.ts';
import { whyNoFiles } from './files.ts';
import type { MakeWay, WayContext, WaySubject } from './way.ts';

/** Each request takes a ticket: fewer and larger ones. */
const pieceBytes = 4 * MiB;

interface Ticket {
  readonly id: string;
  readonly hostName: string | undefined;
  readonly thumbprint: string | undefined;
}

export const hostWay: MakeWay = (context) => {
  const { session } = context;
  const hosts = new Map<string, Promise<HttpsClient>>();
  const clientOf = (subject: WaySubject, signal: AbortSignal): Promise<HttpsClient> => {
    const { id } = subject.host!.ref;
    const known = hosts.get(id);
    if (known !== undefined) return known;
    const opening = reachedByTicket(context, subject, signal);
    hosts.set(id, opening);
    // What was cancelled says nothing of the host.
    opening.catch((error) => {
      if (toAppError(error).kind === 'cancelled') hosts.delete(id);
    });
    return opening;
  };
  return {
    id: 'host',
    label: 'files of the datastore from the ESXi host itself',
    async whyNot(subject) {
      if (!session.about.isVCenter) return 'the server is the host';
      if (!session.atLeast('5.0')) return `the server speaks API ${session.version}, tickets are of 5.0`;
      if (subject.host === undefined) return 'it is not known which host runs the machine';
      return whyNoFiles(subject);
    },
    async open(subject, signal) {
      const server: FileServer = {
        client: await clientOf(subject, signal),
        pathOf: (file) => folderUrl(file),
        pieceBytes,
        async headers(file) {
          const { id } = await ticketFor(context, subject, file, signal);
          return { cookie: `vmware_cgi_ticket=${id}` };
        },
        // A request that was lost may have used up its ticket: the next has another.
        renew: async () => undefined,
      };
      const place = { ...subject.place!, server };
      const disk = await openDatastoreFile(place, subject.file!, signal);
      return { ...withAllocated(disk, subject, session), format: 'vmdk' };
    },
    async close() {
      for (const opening of hosts.values())
        opening.then(
          (client) => client.close(),
          () => undefined,
        );
      hosts.clear();
    },
  };
};

/** @throws AppError: `unreachable`, `auth` … */
async function reachedByTicket(
  context: WayContext,
  subject: WaySubject,
  signal: AbortSignal,
): Promise<HttpsClient> {
  const { hostName, thumbprint } = await ticketFor(context, subject, subject.file!, signal);
  const print = thumbprint ?? (await thumbprintOf(context, subject, signal));
  return reached(context, [subject.host!.name, hostName], print, signal);
}

async function ticketFor(
  { session }: WayContext,
  { host }: WaySubject,
  file: DatastorePath,
  signal: AbortSignal,
): Promise<Ticket> {
  const step = 'asking for a ticket for the host';
  const name = host!.name.includes(':') ? `[${host!.name}]` : host!.name;
  const [value] = await session.call(
    'AcquireGenericServiceTicket',
    session.service('sessionManager'),
    [
      typed(
        'spec',
        'SessionManagerHttpServiceRequestSpec',
        text('method', 'httpGet'),
        text('url', `https://${name}${folderUrl(file)}`),
      ),
    ],
    { step, signal },
  );
  const id = value === undefined ? undefined : textOf(value, 'id');
  // It goes into a header.
  if (id === undefined || !/^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,1024}$/.test(id))
    throw new AppError('corrupt', `${step}: the server gave none`, { where: session.client.name });
  return { id, hostName: textOf(value!, 'hostName'), thumbprint: textOf(value!, 'sslThumbprint') };
}

async function thumbprintOf(
  { session }: WayContext,
  { host }: WaySubject,
  signal: AbortSignal,
): Promise<string> {
  const path = 'summary.config.sslThumbprint';
  const { values } = await ofObject(session, host!.ref, [path], 'reading the host', signal);
  return valueText(values.get(path)) ?? '';
}

/** By the name that vCenter knows the host by, else by the one that the host has for itself. @throws AppError. */
async function reached(
  { server, plugin }: WayContext,
  names: readonly (string | undefined)[],
  thumbprint: string,
  signal: AbortSignal,
): Promise<HttpsClient> {
  const reach = reachHost(server.legacy, plugin.note);
  let failure: AppError | undefined;
  for (const name of names) {
    // `localhost` is what a host without a name calls itself.
    if (name === undefined || /^localhost\b/i.test(name)) continue;
    const [, address = name, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(name) ?? [];
    const host = address.replace(/^\[(.*)\]$/, '$1');
    try {
      return await reach({ host, port: Number(port ?? 443) }, thumbprint, signal);
    } catch (error) {
      const failed = toAppError(error);
      if (failed.kind === 'cancelled') throw error;
      failure ??= failed;
    }
  }
  throw failure ?? new AppError('unreachable', 'the host has no name');
}
