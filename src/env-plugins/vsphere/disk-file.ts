/** A disk's files on a datastore, fetched over HTTPS by ranges: the descriptor, and what it names. */
import { posix } from 'node:path';
import type { HttpsClient } from '../../io/https/client.ts';
import { type RangeOptions, rangeSource } from '../../io/https/range-source.ts';
import { AppError } from '../../model/errors.ts';
import type { OpenDisk } from '../plugin.ts';
import {
  type DatastorePath,
  type DatastorePlace,
  folderUrl,
  formatDatastorePath,
  namedFrom,
} from './datastore-path.ts';
import type { VimSession } from './session.ts';

/** Who gives the files. */
export interface FileServer extends Pick<RangeOptions, 'renew' | 'pieceBytes'> {
  readonly client: HttpsClient;
  pathOf(file: DatastorePath, datacenter: string): string;
  /** For one request for it. */
  headers(file: DatastorePath): Promise<Record<string, string>>;
}

/** Where one machine's files are looked for. */
export interface FilePlace {
  readonly session: VimSession;
  /** The session's own server where it is absent. */
  readonly server?: FileServer;
  readonly datastores: readonly (DatastorePlace & { readonly datacenter: string })[];
  /** `[ds] path` of files that the server itself counts to the machine. */
  readonly own: ReadonlySet<string>;
  /** The first image's folder: what else is named in it is the image's own. */
  readonly home: DatastorePath;
}

export async function openDatastoreFile(
  place: FilePlace,
  file: DatastorePath,
  signal: AbortSignal | undefined,
): Promise<OpenDisk> {
  const { session, datastores } = place;
  const name = formatDatastorePath(file);
  const datastore = datastores.find((d) => d.name === file.datastore);
  if (datastore === undefined) {
    throw new AppError('not-found', `the datastore "${file.datastore}" is not one of this machine`, {
      where: name,
      hint: 'the user may lack the privilege System.View on it',
    });
  }
  const { client, pathOf, ...server } = place.server ?? ownServer(session);
  const source = await rangeSource(client, {
    ...server,
    name,
    path: pathOf(file, datastore.datacenter),
    headers: () => server.headers(file),
    signal,
  }).catch((error) => {
    throw explained(error, name);
  });
  return {
    source,
    ...(isOwn(place, file) ? {} : { outside: true }),
    sibling: (named) => openDatastoreFile(place, namedFrom(file, named, datastores), signal),
  };
}

function ownServer(session: VimSession): FileServer {
  // A login that ended is known by the cookie that was sent last.
  let sent = session.cookie;
  return {
    client: session.client,
    pathOf: folderUrl,
    async headers() {
      sent = session.cookie;
      return { cookie: sent };
    },
    renew: (waiting) => session.renew(sent, waiting),
  };
}

/** It is counted to the machine, or lies in the folder of the first image. */
export function isOwn({ own, home }: FilePlace, file: DatastorePath): boolean {
  if (own.has(formatDatastorePath(file))) return true;
  if (file.datastore !== home.datastore) return false;
  const folder = posix.dirname(home.path);
  return folder === '.' ? !file.path.includes('/') : file.path.startsWith(`${folder}/`);
}

function explained(error: unknown, where: string): unknown {
  if (!(error instanceof AppError) || error.kind !== 'auth') return error;
  return new AppError('auth', error.message, {
    where,
    hint: 'files of a datastore need the privilege Datastore.FileManagement or Datastore.Browse on it',
    cause: error,
  });
}
