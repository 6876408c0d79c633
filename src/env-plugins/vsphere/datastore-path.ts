/** Where a file is: `[datastore] folder/file.vmdk`, and what names inside a disk's descriptor mean there. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';

export interface DatastorePath {
  readonly datastore: string;
  /** Relative to the datastore's root, without `..`. */
  readonly path: string;
}

export interface DatastorePlace {
  readonly name: string;
  /** `ds:///vmfs/volumes/5a…-…/`; a host of its own says `/vmfs/volumes/5a…` as well. */
  readonly url: string;
}

/** @throws AppError `corrupt`. */
export function parseDatastorePath(text: string): DatastorePath {
  const match = /^\[([^\]]+)\]\s*(.*)$/s.exec(text);
  if (match === null) throw new AppError('corrupt', `"${shown(text)}" is not a path on a datastore`);
  return { datastore: match[1]!, path: inside(match[2]!, text) };
}

export const formatDatastorePath = ({ datastore, path }: DatastorePath): string => `[${datastore}] ${path}`;

/**
 * The file that a disk at `from` means by `name`: beside it, or absolute below /vmfs/volumes by the volume's name or
 * its id, as ESXi writes parents that lie elsewhere.
 * @throws AppError `unsupported`, `corrupt`.
 */
export function namedFrom(
  from: DatastorePath,
  name: string,
  datastores: readonly DatastorePlace[],
): DatastorePath {
  if (name === '' || name.includes('\0') || name.length > 4096) {
    throw new AppError('corrupt', 'the disk names a file with an empty or impossible name', {
      where: formatDatastorePath(from),
    });
  }
  if (name.startsWith('[')) return parseDatastorePath(name);
  const volume = /^\/vmfs\/volumes\/([^/]+)\/(.+)$/s.exec(name);
  if (volume !== null) {
    const id = volume[1]!;
    const found = datastores.find((d) => d.name === id || volumeOf(d.url) === id);
    if (found !== undefined) return { datastore: found.name, path: inside(volume[2]!, name) };
  }
  if (name.startsWith('/')) {
    throw new AppError(
      'unsupported',
      `the disk names "${shown(name)}", which is on no datastore known here`,
      {
        where: formatDatastorePath(from),
        hint: 'a device of the host (RDM) or a datastore that this user may not see',
      },
    );
  }
  const joined = posix.join(posix.dirname(from.path), name);
  return { datastore: from.datastore, path: inside(joined, name) };
}

/** The id of a VMFS volume in the URL of a datastore; undefined for other kinds of URLs. */
export const volumeOf = (url: string): string | undefined => /\/vmfs\/volumes\/([^/]+)\/?$/.exec(url)?.[1];

function inside(path: string, given: string): string {
  const normal = posix.normalize(path).replace(/^\/+/, '');
  if (normal === '..' || normal.startsWith('../') || normal.includes('\0')) {
    throw new AppError('corrupt', `the name "${shown(given)}" leads out of the datastore`);
  }
  return normal === '.' ? '' : normal;
}

const shown = (text: string): string => text.replace(/[\0-\x1f\x7f-\x9f]/g, '?').slice(0, 200);

/** `/folder/…?dcPath=…&dsName=…`: a datastore's file over HTTPS. A vCenter's host knows no datacenter. */
export function folderUrl({ datastore, path }: DatastorePath, datacenter?: string): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  const within = datacenter === undefined ? '' : `dcPath=${encodeURIComponent(datacenter)}&`;
  return `/folder/${encoded}?${within}dsName=${encodeURIComponent(datastore)}`;
}
