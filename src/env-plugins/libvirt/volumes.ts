/**
 * New volumes of a pool. Where this user can write to the pool's folder, a volume grows under a temporary name and
 * gets its own in the end. Elsewhere libvirt makes and writes it; as libvirt can't rename a volume, it has its own
 * name from the start, and what appears last is the domain.
 */
import { posix } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { attribute, child, escapeXml, parseXml } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import { hostMoves, type PlacedFile, putBackInterrupted } from '../placed-files.ts';
import type { Libvirt } from './connect.ts';
import type { VolumePlace } from './fit-disks.ts';
import { isDevicePool, isFolderPool, type Pool, volumePath } from './pools.ts';
import { uploadSink } from './upload-sink.ts';
import { virshCommand } from './virsh.ts';
import { fed, virshWithInput } from './virsh-input.ts';

export interface NewVolume {
  readonly name: string;
  readonly kind: VolumePlace['kind'];
  /** Makes it. It may be there also when this fails. @throws AppError `conflict` when it is another one's. */
  open(): Promise<ByteSink>;
  /** Where it is to be; known when it was opened. */
  readonly path: string;
  /** Gives it its final name; what had it waits aside. */
  settle(sync: boolean): Promise<void>;
  /** What it is as a file that this user can move; else it has its name from the start, and `remove`. */
  readonly file?: PlacedFile;
  /** Resolves to what stays. Never throws. */
  remove?(): Promise<Leftover[]>;
}

export interface VolumeRequest {
  readonly name: string;
  /** Bytes, where they are known. */
  readonly size?: number | undefined;
  readonly runId: string;
  /** It has been begun, and must be there. */
  readonly begun?: boolean;
  /** It may have been begun. */
  readonly resume?: boolean;
  readonly signal: AbortSignal;
}

/** The pool's folder, where this user can make files in it. */
export async function writableFolder(
  { host }: Libvirt,
  pool: Pool,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { path } = pool;
  if (!isFolderPool(pool) || path === undefined || !posix.isAbsolute(path)) return undefined;
  const test = await host.run(['test', '-d', path, '-a', '-w', path, '-a', '-x', path], { signal });
  return test.code === 0 ? path : undefined;
}

export function directVolume(
  { host }: Libvirt,
  folder: string,
  { name, runId, signal, begun = false, resume = false }: VolumeRequest,
): NewVolume {
  const { files, run } = host;
  const path = posix.join(folder, name);
  const file: PlacedFile = {
    temporary: posix.join(folder, `.${shortened(name)}.vmferry-${runId}.part`),
    final: path,
  };
  return {
    name,
    path,
    kind: 'file',
    file,
    // As libvirt's own: it gives them to the machine when that starts. Not cancelled half-way: what is made after it was
    // removed would stay.
    async open() {
      if (resume) await putBackInterrupted(hostMoves(host), file);
      const there = resume && (await files.stat(file.temporary)) !== undefined;
      return files.create(file.temporary, { mode: 0o600, resume: begun || there });
    },
    async settle(sync) {
      if (sync) await run(['sync', file.temporary]);
      if ((await files.stat(path)) !== undefined) {
        file.replaced = `${file.temporary}.replaced`;
        await files.rename(path, file.replaced);
      }
      throwIfAborted(signal);
      file.placing = true;
      await files.rename(file.temporary, path);
    },
  };
}

/** Filesystems take 255 bytes. */
const shortened = (name: string): string =>
  Buffer.byteLength(name) <= 200
    ? name
    : Buffer.from(name)
        .toString('latin1', 0, 150)
        .replace(/[^\w.-]/g, '_') + name.length;

/** @throws AppError `unsupported`. */
export function uploadedVolume(
  libvirt: Libvirt,
  pool: Pool,
  { name, size, signal }: VolumeRequest,
): NewVolume {
  const kind = isDevicePool(pool) ? 'block' : 'file';
  if (kind === 'block' && size === undefined) {
    throw new AppError('unsupported', `the pool "${pool.name}" holds raw disks only`, {
      hint: 'choose raw, or a pool of files',
    });
  }
  const where = [`--pool=${pool.uuid}`, `--vol=${name}`];
  let path: string | undefined;
  return {
    name,
    kind,
    get path() {
      return path!;
    },
    async open() {
      // Not to be cancelled in the middle: libvirt would make it all the same.
      await virshWithInput(
        libvirt,
        ['vol-create', `--pool=${pool.uuid}`, `--file=${fed}`],
        volumeXml(name, kind, size ?? 0),
      );
      path = await volumePath(libvirt, pool, name, signal);
      if (path === undefined) throw new AppError('not-found', `the volume "${name}" is gone again`);
      const capacity = await capacityOf(libvirt, where, signal);
      return uploadSink(libvirt, { pool, volume: name, kind, size: capacity, signal });
    },
    async settle(sync) {
      if (sync) await libvirt.host.run(['sync']);
      throwIfAborted(signal);
    },
    remove: () =>
      removeVolume(libvirt, where).then(
        () => [],
        (error) => [
          {
            what: `the volume "${name}" may be in the pool "${pool.name}" on ${libvirt.host.name} still (${toAppError(error).message})`,
            command: virshCommand(libvirt.uri, ['vol-delete', ...where]),
          },
        ],
      ),
  };
}

async function removeVolume({ virsh }: Libvirt, where: readonly string[]): Promise<void> {
  // An upload that was broken off holds it for a moment; on a busy host for longer.
  for (let left = 60; ; left--) {
    const failed = await virsh(['vol-delete', ...where]).then(() => undefined, toAppError);
    if (failed === undefined || failed.kind === 'not-found') return;
    if (left === 0 || failed.kind === 'unreachable') throw failed;
    await new Promise((resolve) => setTimeout(resolve, left > 40 ? 100 : 500));
  }
}

/**
 * Always raw: what is in it is ours to write, and libvirt finds out by itself that a file is qcow2. Without an
 * allocation a logical volume is allocated as a whole; with one it would become a snapshot of nothing.
 */
function volumeXml(name: string, kind: VolumePlace['kind'], size: number): string {
  const file =
    kind === 'file' ? '<allocation unit="bytes">0</allocation><target><format type="raw"/></target>' : '';
  return `<volume><name>${escapeXml(name)}</name><capacity unit="bytes">${size}</capacity>${file}</volume>\n`;
}

async function capacityOf(
  { virsh }: Libvirt,
  where: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const root = parseXml(Buffer.from(await virsh(['vol-dumpxml', ...where], { signal })), 'vol-dumpxml');
  const capacity = child(root, 'capacity');
  const bytes = Number(capacity?.text);
  if (
    capacity !== undefined &&
    (attribute(capacity, 'unit') ?? 'bytes') === 'bytes' &&
    Number.isSafeInteger(bytes)
  ) {
    return bytes;
  }
  throw new AppError('corrupt', 'libvirt does not say how large the new volume is');
}
