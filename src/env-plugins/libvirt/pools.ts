/** Storage pools: where volumes can be made, and how much room there is. */
import { attribute, child, parseXml, textOf } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Libvirt } from './connect.ts';
import { virshBatch } from './virsh.ts';

export interface Pool {
  readonly name: string;
  readonly uuid: string;
  /** `dir`, `fs`, `netfs`, `logical` … */
  readonly type: string;
  readonly active: boolean;
  readonly path?: string | undefined;
  readonly availableBytes?: number | undefined;
}

/** The volumes are files in one folder. */
export const isFolderPool = ({ type }: Pool): boolean => ['dir', 'fs', 'netfs'].includes(type);

/** The volumes are block devices of a given size, made at the moment they are needed. */
export const isDevicePool = ({ type }: Pool): boolean => type === 'logical';

/** All of them, `default` first, then by name. @throws AppError as `virsh`. */
export async function listPools({ virsh }: Pick<Libvirt, 'virsh'>, signal?: AbortSignal): Promise<Pool[]> {
  const uuids = async (...more: string[]) =>
    (await virsh(['pool-list', '--uuid', ...more], { signal })).split('\n').flatMap((l) => l.trim() || []);
  const [all, active] = await Promise.all([uuids('--all'), uuids()]);
  const found = await virshBatch(
    (args, options) => virsh(args, options),
    all.map((uuid) => `pool-dumpxml ${uuid}`),
    { signal },
  );
  return found
    .flatMap((xml, i) => (xml.trim() === '' ? [] : [parsePool(xml.trim(), active.includes(all[i]!))]))
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

const rank = ({ name }: Pool): number => (name === 'default' ? 0 : 1);

function parsePool(xml: string, active: boolean): Pool {
  const root = parseXml(Buffer.from(xml), 'pool-dumpxml');
  const target = child(root, 'target');
  const available = Number(textOf(root, 'available') ?? Number.NaN);
  return {
    name: child(root, 'name')?.text ?? '',
    uuid: textOf(root, 'uuid') ?? '',
    type: attribute(root, 'type') ?? '',
    active,
    path: target && child(target, 'path')?.text,
    // An inactive pool says 0 of everything.
    availableBytes: active && Number.isSafeInteger(available) ? available : undefined,
  };
}

/** The pool of that name; without one, the first active. */
export const choosePool = (pools: readonly Pool[], name: string | undefined): Pool | undefined =>
  name === undefined || name === ''
    ? pools.find((pool) => pool.active)
    : pools.find((pool) => pool.name === name);

/** Where the volume is, or undefined where the pool has none of this name. @throws AppError as `virsh`. */
export async function volumePath(
  { virsh }: Pick<Libvirt, 'virsh'>,
  pool: Pool,
  name: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    return (await virsh(['vol-path', `--pool=${pool.uuid}`, `--vol=${name}`], { signal })).replace(
      /\n+$/,
      '',
    );
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not-found') return undefined;
    throw error;
  }
}
