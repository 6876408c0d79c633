/**
 * Bytes of a volume as libvirt hands them out (`virsh vol-download`). Images mostly belong to root, and whoever is
 * in the group `libvirt` may read them this way without being root. It gives ranges, and tells no holes of a file.
 */
import { posix } from 'node:path';
import type { ByteSource } from '../../io/byte-source.ts';
import { attribute, child, parseXml, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Libvirt } from './connect.ts';
import { rangesSource } from './ranges-source.ts';
import type { Reading } from './storage.ts';
import { virshArgs, virshBatch, virshError, virshMissing } from './virsh.ts';

/** The path of a volume that a machine names by its pool. @throws AppError `not-found`. */
export async function volumePath(
  libvirt: Libvirt,
  { pool, volume }: { readonly pool: string; readonly volume: string },
  signal: AbortSignal | undefined,
): Promise<string> {
  const path = await libvirt.virsh(['vol-path', `--pool=${pool}`, `--vol=${volume}`], { signal });
  return path.replace(/\n+$/, '');
}

/** `refused`: why the file itself could not be opened, for the case that it is no volume either. */
export async function volumeSource(
  libvirt: Libvirt,
  path: string,
  { signal, report }: Reading,
  refused: AppError,
): Promise<ByteSource> {
  const xml = await volumeXml(libvirt, path, signal);
  if (xml === undefined) {
    throw new AppError(refused.kind, refused.message, {
      where: `${libvirt.host.name}:${path}`,
      hint: 'let this user read it, or make a storage pool of its folder: libvirt then hands it out',
      cause: refused,
    });
  }
  report(`${posix.basename(path)} is not this user's to read: libvirt hands it out, without its holes`);
  const root = parseXml(Buffer.from(xml), `volume ${path}`);
  const size = sizeOf(root);
  if (size === undefined)
    throw new AppError('io', 'libvirt does not tell the size of this volume', { where: path });
  return rangesSource(path, size, (offset, length, stop) => download(libvirt, path, offset, length, stop));
}

/** Of a file it is its length, whatever the disk in it; a device is as long as it can hold. */
function sizeOf(volume: XmlElement): number | undefined {
  const wanted = attribute(volume, 'type') === 'file' ? 'physical' : 'capacity';
  const element = child(volume, wanted) ?? child(volume, 'capacity');
  const text = element?.text.trim() ?? '';
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Undefined when it is in no pool. A pool that was looked at before the file was made is looked at again. */
async function volumeXml(
  libvirt: Libvirt,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const ask = () =>
    libvirt.virsh(['vol-dumpxml', `--vol=${path}`], { signal }).catch((error) => {
      if (toAppError(error).kind !== 'not-found') throw error;
      return undefined;
    });
  const known = await ask();
  if (known !== undefined) return known;
  const pools = (await libvirt.virsh(['pool-list', '--uuid'], { signal }))
    .split(/\s+/)
    .filter((id) => id !== '');
  const xmls = await virshBatch(
    libvirt.virsh,
    pools.map((id) => `pool-dumpxml ${id}`),
    { signal },
  );
  const at = xmls.findIndex((xml) => xml.trim() !== '' && poolFolder(xml) === posix.dirname(path));
  if (at < 0) return undefined;
  await libvirt.virsh(['pool-refresh', pools[at]!], { signal });
  return ask();
}

function poolFolder(xml: string): string | undefined {
  const target = child(parseXml(Buffer.from(xml), 'storage pool'), 'target');
  return target && textOf(target, 'path')?.replace(/(.)\/+$/, '$1');
}

/**
 * virsh writes to a file that it opens by name. What it is given for its output by Node and by sshd is a socket,
 * which can't be opened by a name; `cat` makes it a pipe. Whether it went well is seen by the number of bytes.
 */
async function download(
  { host, uri }: Libvirt,
  path: string,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const words = [
    'vol-download',
    `--vol=${path}`,
    '--file=/dev/stdout',
    `--offset=${offset}`,
    `--length=${length}`,
  ];
  const command = ['sh', '-c', '"$@" | cat', 'sh', ...virshArgs(uri, words)];
  const result = await host.run(command, { signal, maximumBytes: length + MiB }).catch((error) => {
    throw virshMissing(error, host);
  });
  if (result.stdout.length === length) return result.stdout;
  if (result.stderr.trim() !== '') throw virshError(result.stderr, `${host.name}:${path}`);
  throw new AppError('io', `libvirt gave ${result.stdout.length} bytes of ${length} at offset ${offset}`, {
    where: `${host.name}:${path}`,
  });
}
