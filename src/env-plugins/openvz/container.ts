/** A container as the host's files describe it. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import { type Conf, parameterLists, parseConf, withVeid } from './conf.ts';
import { ctidOfFile } from './ctid.ts';
import { hasPartitionTable, type PloopDisk, readPloop } from './ploop.ts';

export interface ContainerDisk {
  /** Stable between two listings: the folder's name. */
  readonly id: string;
  readonly ploop: PloopDisk;
  readonly isRoot: boolean;
  /** Where it is mounted inside, as far as it is told. */
  readonly mount?: string;
  readonly partitioned?: boolean | undefined;
  readonly encrypted: boolean;
}

export type Layout = 'ploop' | 'simfs' | 'vzfs' | 'missing';

export interface Container {
  readonly ctid: string;
  readonly conf: Conf;
  /** The private area, absolute; undefined where the configuration names none that could be one. */
  readonly privateArea: string | undefined;
  readonly layout: Layout;
  readonly disks: readonly ContainerDisk[];
  /** Block devices that are handed through. */
  readonly devices: readonly string[];
  /** Action scripts of its own, such as `101.mount`. */
  readonly scripts: readonly string[];
  /** Why its private area could not be read. */
  readonly trouble?: { readonly words: string; readonly rootWouldDo: boolean };
}

const longestConf = 256 * 1024;
const mostDisks = 32;

export interface Place {
  readonly host: Host;
  /** Where `vz.conf` and the folder `conf` are. */
  readonly folder: string;
}

/** Names in the folder of configurations, sorted. @throws AppError `auth`, `not-found`. */
export async function confNames({ host, folder }: Place, signal: AbortSignal): Promise<string[]> {
  const path = posix.join(folder, 'conf');
  try {
    return (await host.files.list(path, signal)).map((entry) => posix.basename(entry.path));
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== 'not-found') throw needsRoot(error);
    throw new AppError('not-found', 'there is no OpenVZ: its folder of configurations is missing', {
      where: `${host.name}:${path}`,
      hint: 'check the host, or set "Configuration" to where its /etc/vz is',
      cause: error,
    });
  }
}

/** Of the files `CTID.conf` among them. */
export const ctidsOf = (names: readonly string[]): string[] =>
  names.flatMap((name) => ctidOfFile(name) ?? []);

/** Private areas and their tools are root's alone. */
export const rootHint =
  'containers belong to root: log in as root, or set "Use sudo" (on this computer: run vmferry as root)';

export function needsRoot(error: unknown): unknown {
  if (!(error instanceof AppError) || error.kind !== 'auth') return error;
  return new AppError('auth', error.message, {
    ...(error.where === undefined ? {} : { where: error.where }),
    hint: rootHint,
    cause: error,
  });
}

export async function globalConf({ host, folder }: Place, signal: AbortSignal): Promise<Conf> {
  const path = posix.join(folder, 'vz.conf');
  const found = await host.files.stat(path, signal);
  if (found?.kind !== 'file') return new Map();
  return parseConf(await host.files.text(path, { signal, maximumBytes: longestConf }));
}

/** What all containers of a host have in common. */
export interface Surroundings {
  readonly global: Conf;
  /** In the folder of configurations. */
  readonly names: readonly string[];
}

/** @throws AppError `not-found`, `auth`. */
export async function readContainer(
  { host, folder }: Place,
  ctid: string,
  { global, names }: Surroundings,
  signal: AbortSignal,
): Promise<Container> {
  const path = posix.join(folder, 'conf', `${ctid}.conf`);
  const conf = parseConf(
    await host.files.text(path, { signal, maximumBytes: longestConf }).catch((error) => {
      throw needsRoot(error);
    }),
  );
  const scripts = names.filter(
    (name) => name.startsWith(`${ctid}.`) && !/\.(conf|destroyed|lck)$|~$/.test(name),
  );
  const named = conf.get('VE_PRIVATE') ?? global.get('VE_PRIVATE') ?? '/vz/private/$VEID';
  const whole = withVeid(named, ctid);
  const privateArea = whole.startsWith('/') && !whole.includes('\0') ? posix.normalize(whole) : undefined;
  const base = { ctid, conf, privateArea, scripts, devices: devicesOf(conf) };
  if (privateArea === undefined) return { ...base, layout: 'missing', disks: [] };
  try {
    const disks = await disksOf(host, privateArea, conf, ctid, signal);
    const layout = disks.length > 0 ? 'ploop' : await folderLayout(host, privateArea, signal);
    return { ...base, layout, disks };
  } catch (error) {
    if (!(error instanceof AppError) || !['auth', 'corrupt', 'unsupported'].includes(error.kind)) throw error;
    const words = error.where === undefined ? error.message : `${error.message} (${error.where})`;
    const trouble = { words, rootWouldDo: error.kind === 'auth' };
    return { ...base, layout: 'missing', disks: [], trouble };
  }
}

async function folderLayout(host: Host, area: string, signal: AbortSignal): Promise<Layout> {
  const isFolder = async (name: string) =>
    (await host.files.stat(posix.join(area, name), signal))?.kind === 'folder';
  if (await isFolder('fs')) return 'vzfs';
  for (const name of ['etc', 'bin', 'usr', 'sbin']) if (await isFolder(name)) return 'simfs';
  return 'missing';
}

/** `root.hdd`, those that DISK names, and whatever else lies beside them. */
async function disksOf(
  host: Host,
  area: string,
  conf: Conf,
  ctid: string,
  signal: AbortSignal,
): Promise<ContainerDisk[]> {
  const named = parameterLists(conf.get('DISK')).filter((disk) => disk.has('image'));
  const folders = new Map<string, ReadonlyMap<string, string> | undefined>([
    [posix.join(area, 'root.hdd'), undefined],
  ]);
  for (const disk of named) folders.set(posix.resolve(area, withVeid(disk.get('image')!, ctid)), disk);
  const beside = await host.files.list(area, signal).catch((error) => {
    if (error instanceof AppError && error.kind === 'not-found') return [];
    throw needsRoot(error);
  });
  for (const { path, kind } of beside)
    if (kind === 'folder' && path.endsWith('.hdd') && !folders.has(path)) folders.set(path, undefined);
  const disks: ContainerDisk[] = [];
  for (const [path, told] of [...folders].slice(0, mostDisks)) {
    const ploop = await readPloop(host, path, signal);
    if (ploop === undefined) continue;
    const mount = told?.get('mnt');
    const name = posix.basename(path);
    disks.push({
      id: disks.some((disk) => disk.id === name) ? path : name,
      ploop,
      isRoot: mount === '/' || path === posix.join(area, 'root.hdd'),
      ...(mount === undefined ? {} : { mount }),
      partitioned: await hasPartitionTable(host, ploop, signal),
      encrypted: told?.has('enc_keyid') === true,
    });
  }
  return disks;
}

const devicesOf = (conf: Conf): string[] =>
  parameterLists(conf.get('DISK')).flatMap((disk) => disk.get('device') ?? []);
