/** Opens a qcow2 image: versions 2 and 3, with everything but encryption. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { type Disk, overlay } from '../../io/disk.ts';
import { ExtentList } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { decrypted } from '../../io/luks/decrypted.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { ClusterMap, type Piece, push } from './cluster-map.ts';
import { allOf, CompressedClusters } from './compressed.ts';
import { type Header, readHeader } from './header.ts';
import { type NamedFile, namedByJson } from './json-name.ts';
import { formatOfDriver } from './layout.ts';
import { unlock } from './luks.ts';
import { headerAt, readSnapshots, type Snapshot } from './snapshots.ts';

export async function openQcow2(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const { signal } = context;
  if (source.access === 'forward') {
    throw new AppError('unsupported', 'a qcow2 image can not be read from a stream', {
      where: source.name,
      hint: 'store it in a file first',
    });
  }
  const current = await readHeader(source, signal);
  const snapshots = await readSnapshots(source, current, signal);
  const { snapshot } = context;
  const header = snapshot === undefined ? current : headerAt(current, snapshots, snapshot, source);
  const l1Bytes = header.l1Entries * 8;
  const l1 = l1Bytes === 0 ? Buffer.alloc(0) : await readBytes(source, header.l1TableOffset, l1Bytes, signal);
  const decrypt =
    header.luks === undefined ? undefined : await unlock(source, header.luks, context.secret, signal);
  const data = await openDataFile(source, header, context);
  try {
    const parent = await openParent(source, header, context);
    const contents = decrypt === undefined ? data : decrypted(data, decrypt);
    const layer = layerDisk(source, { data, contents }, header, l1, parent !== undefined);
    const disk = parent === undefined ? layer : overlay(layer, parent);
    return {
      ...disk,
      info: describe(source, data, header, { all: snapshots, chosen: snapshot }, parent?.info),
    };
  } catch (error) {
    if (data !== source) await data.close();
    throw error;
  }
}

async function openDataFile(source: ByteSource, header: Header, context: OpenContext): Promise<ByteSource> {
  if (header.externalDataFile === undefined) return source;
  return context.sibling(localName(header.externalDataFile, 'data file', source).file);
}

async function openParent(
  source: ByteSource,
  header: Header,
  context: OpenContext,
): Promise<OpenImage | undefined> {
  if (header.backing === undefined) return undefined;
  const { name, format } = header.backing;
  const { file, driver = format } = localName(name, 'backing file', source);
  if (format !== undefined && driver !== format) {
    throw new AppError('corrupt', `the backing file is said to be ${format}, and in its name ${driver}`, {
      where: source.name,
      hint: 'say which it is with "qemu-img rebase -u -b <file> -F <format>"',
    });
  }
  return context.parent(file, driver === undefined ? undefined : formatOfDriver(driver));
}

/** A name as qemu understands it: `scheme:rest` is no file, but `file:rest`, and some of `json:{…}`. */
function localName(name: string, what: string, source: ByteSource): NamedFile {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(name)?.[1];
  if (scheme === undefined) return { file: name };
  if (scheme === 'file' && !name.startsWith('file://')) return { file: name.slice('file:'.length) };
  const named = scheme === 'json' ? namedByJson(name) : undefined;
  if (named !== undefined) return named;
  throw new AppError('unsupported', `the ${what} is "${name}": only the name of a file is supported`, {
    where: source.name,
    hint: `put the ${what} beside the image and name it with "qemu-img rebase -u -b <file> -F <format>"`,
  });
}

/** Where data clusters lie, and how their bytes are read: decrypted where they have to be. */
interface Data {
  readonly data: ByteSource;
  readonly contents: Pick<ByteSource, 'read'>;
}

/** This layer alone. Without a layer below, what is not allocated is zero. */
function layerDisk(
  source: ByteSource,
  { data, contents }: Data,
  header: Header,
  l1: Buffer,
  hasParent: boolean,
): Disk {
  const map = new ClusterMap(source, data, header, l1);
  const compressed = new CompressedClusters(source, header);
  const range = { name: source.name, size: header.size };
  return {
    size: header.size,
    sectorSize: 512,
    async read(target, offset, signal) {
      checkRange(range, offset, target.length);
      throwIfAborted(signal);
      const pieces: Piece[] = [];
      for await (const batch of map.pieces(offset, offset + target.length, signal)) {
        for (const p of batch) {
          if (p.kind === 'compressed') pieces.push(p);
          else push(pieces, p.kind, p.offset, p.length, p.host);
        }
      }
      const packed = pieces.filter((p) => p.kind === 'compressed');
      if (packed.length > 0 && contents !== data) throw compressedAndEncrypted(source);
      const plain = pieces.filter((p) => p.kind !== 'compressed');
      await allOf([
        ...plain.map(async (p) => {
          const part = target.subarray(p.offset - offset, p.offset - offset + p.length);
          if (p.kind === 'data') await contents.read(part, p.host, signal);
          else part.fill(0);
        }),
        ...(packed.length > 0 ? [compressed.read(packed, target, offset, signal)] : []),
      ]);
    },
    async extents(from, to, signal) {
      checkRange(range, from, to - from);
      const out = new ExtentList(from);
      for await (const batch of map.pieces(from, to, signal)) {
        for (const p of batch) {
          const end = Math.min(to, p.offset + p.length);
          const kind = p.kind === 'compressed' ? 'data' : p.kind === 'hole' && !hasParent ? 'zero' : p.kind;
          out.push(kind, end - Math.max(from, p.offset));
        }
      }
      return out.list;
    },
    async close() {
      await Promise.all([source.close(), data === source ? undefined : data.close()]);
    },
  };
}

/** No product writes both: qemu refuses to. */
const compressedAndEncrypted = (source: ByteSource) =>
  new AppError('unsupported', 'a cluster of an encrypted image is compressed', { where: source.name });

interface Snapshots {
  readonly all: readonly Snapshot[];
  /** The one that is open, as it was asked for. */
  readonly chosen: string | undefined;
}

function describe(
  source: ByteSource,
  data: ByteSource,
  header: Header,
  snapshots: Snapshots,
  parent: ImageInfo | undefined,
): ImageInfo {
  const { backing } = header;
  return {
    format: 'qcow2',
    variant: `v${header.version}, ${header.compressionType}`,
    details: {
      version: header.version,
      clusterSizeBytes: header.clusterBytes,
      compressionType: header.compressionType,
      lazyRefcounts: header.lazyRefcounts,
      refcountBits: header.refcountBits,
      extendedL2: header.extendedL2,
      encryption: header.luks === undefined ? 'none' : 'luks',
      snapshots: header.snapshots.count,
      ...(snapshots.all.length > 0 ? { snapshotNames: snapshots.all.map((s) => s.name).join(', ') } : {}),
      ...(snapshots.chosen === undefined ? {} : { snapshot: snapshots.chosen }),
      ...(backing === undefined ? {} : { backingFile: backing.name }),
      ...(backing?.format === undefined ? {} : { backingFormat: backing.format }),
      ...(header.externalDataFile === undefined ? {} : { externalDataFile: header.externalDataFile }),
    },
    virtualSizeBytes: header.size,
    files: data === source ? [source.name] : [source.name, data.name],
    ...(parent === undefined ? {} : { parent }),
    findings: findings(header, snapshots.chosen),
  };
}

function findings(header: Header, snapshot: string | undefined): Finding[] {
  const out: Finding[] = [];
  if (header.dirty) {
    out.push({
      rule: 'qcow2.dirty',
      severity: 'note',
      message:
        'the image was not closed properly, or is in use: reference counts may be wrong, the data is not',
      remedy: 'make sure that no machine is running on it',
    });
  }
  if (header.snapshots.count > 0 && snapshot === undefined) {
    out.push({
      rule: 'qcow2.snapshots',
      severity: 'warning',
      message: `only the current state is converted, not its ${header.snapshots.count} internal snapshots`,
      remedy: 'choose one with --snapshot to convert that instead',
    });
  }
  return out;
}
