/** Opens a qcow image of version 1 with its chain. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { overlay } from '../../io/disk.ts';
import { safeNumber } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { inflateExactly } from '../compression.ts';
import { mappedDisk } from '../mapped-disk.ts';
import { type Place, type TwoLevels, twoLevelPieces } from '../two-level-map.ts';
import { decodeEntry, type Header, header, headerBytes, magic } from './layout.ts';

const longestName = 1023;
/** Decompressed clusters kept for small reads that come back to the same one. */
const clustersKept = 32;

export async function hasMagic(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < headerBytes) return false;
  const start = await readBytes(source, 0, 8, signal);
  return start.readUInt32BE(0) === magic && start.readUInt32BE(4) === 1;
}

export async function openQcow(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const h = await readHeader(source, context.signal);
  const backing = await backingName(source, h, context.signal);
  const disk = mappedDisk({
    source,
    size: h.size,
    absent: backing === undefined ? 'zero' : 'hole',
    pieces: twoLevelPieces(mapOf(source, h)),
  });
  const info = infoOf(source, h, backing);
  if (backing === undefined) return { ...disk, info };
  const parent = await context.parent(backing);
  return { ...overlay(disk, parent), info: { ...info, parent: parent.info } };
}

export function mapOf(source: ByteSource, h: Header): TwoLevels {
  const unpack = unpacker(source, 2 ** h.clusterBits);
  return {
    source,
    clusterBytes: 2 ** h.clusterBits,
    l1Offset: h.l1TableOffset,
    l2Entries: 2 ** h.l2Bits,
    tableOf: (bytes, at) => safeNumber(bytes.readBigUInt64BE(at)),
    placeOf(bytes, at, start): Place {
      const entry = decodeEntry(bytes.readBigUInt64BE(at), h.clusterBits);
      if (entry.kind === 'absent') return { kind: 'hole' };
      if (entry.host < headerBytes || entry.host >= source.size) {
        throw new AppError('corrupt', `the cluster at ${start} lies at ${entry.host}`, {
          where: source.name,
        });
      }
      if (entry.kind === 'data') return { kind: 'data', host: entry.host };
      return { kind: 'data', host: entry.host, load: unpack(start, entry.host, entry.bytes) };
    },
  };
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<Header> {
  const refuse = (kind: 'corrupt' | 'unsupported', message: string, hint?: string) =>
    new AppError(kind, message, { where: source.name, ...(hint === undefined ? {} : { hint }) });
  if (!(await hasMagic(source, signal))) throw refuse('corrupt', 'no qcow image of version 1');
  const h = header.decode(await readBytes(source, 0, headerBytes, signal));
  if (h.cryptMethod !== 0) {
    throw refuse('unsupported', 'a qcow image encrypted with AES', 'let QEMU decrypt it: qemu-img convert');
  }
  if (h.clusterBits < 9 || h.clusterBits > 16) {
    throw refuse('corrupt', `qcow clusters of 2^${h.clusterBits} bytes, 2^9 to 2^16 are expected`);
  }
  if (h.l2Bits < 6 || h.l2Bits > 13) {
    throw refuse('corrupt', `qcow tables of 2^${h.l2Bits} entries, 2^6 to 2^13 are expected`);
  }
  const l1Bytes = Math.ceil(h.size / 2 ** (h.clusterBits + h.l2Bits)) * 8;
  if (h.l1TableOffset < headerBytes || h.l1TableOffset + l1Bytes > source.size) {
    throw refuse(
      'corrupt',
      `the qcow table of ${l1Bytes} bytes at ${h.l1TableOffset} is not inside the file`,
    );
  }
  return h;
}

async function backingName(source: ByteSource, h: Header, signal?: AbortSignal): Promise<string | undefined> {
  const { backingNameOffset, backingNameBytes } = h;
  if (backingNameOffset === 0) return undefined;
  if (
    backingNameBytes === 0 ||
    backingNameBytes > longestName ||
    backingNameOffset + backingNameBytes > source.size
  ) {
    throw new AppError(
      'corrupt',
      `a qcow backing name of ${backingNameBytes} bytes at ${backingNameOffset}`,
      {
        where: source.name,
      },
    );
  }
  return (await readBytes(source, backingNameOffset, backingNameBytes, signal)).toString('utf8');
}

type Load = (target: Uint8Array, offset: number, signal?: AbortSignal) => Promise<void>;

function unpacker(source: ByteSource, clusterBytes: number) {
  const kept = new Map<number, Promise<Buffer>>();
  const unpacked = async (start: number, host: number, bytes: number): Promise<Buffer> => {
    const packed = await readBytes(source, host, bytes);
    return inflateExactly(packed, clusterBytes, 'raw', `${source.name}, cluster at ${start}`);
  };
  return (start: number, host: number, bytes: number): Load =>
    async (target, offset) => {
      const cluster = kept.get(start) ?? unpacked(start, host, bytes);
      kept.delete(start);
      kept.set(start, cluster);
      cluster.catch(() => kept.delete(start));
      if (kept.size > clustersKept) kept.delete(kept.keys().next().value!);
      target.set((await cluster).subarray(offset - start, offset - start + target.length));
    };
}

const infoOf = (source: ByteSource, h: Header, backing: string | undefined): ImageInfo => ({
  format: 'qcow',
  variant: 'v1',
  details: {
    clusterBytes: 2 ** h.clusterBits,
    ...(backing === undefined ? {} : { backingFile: backing }),
  },
  virtualSizeBytes: h.size,
  files: [source.name],
  findings: [],
});
