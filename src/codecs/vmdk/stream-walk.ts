/**
 * A streamOptimized extent from a source that can only be read forward (a pipe, a compressed archive): the markers
 * are walked and each grain is used as it comes. Grains have to lie in ascending order, as VMware, qemu-img convert
 * and VirtualBox write them; nothing is known ahead, so all of the disk counts as data.
 */
import type { ByteSource } from '../../io/byte-source.ts';
import { checkRange, readBytes, unknownSize } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { wholeExtent } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { checkCompressedSize, inflateGrain } from './compressed-grains.ts';
import {
  entriesPerTable,
  grainMarkerBytes,
  markerStruct,
  markerType,
  parseHeader,
  type SparseHeader,
  sectorBytes,
  tableSectors,
} from './layout.ts';
import { settled } from './sparse-extent.ts';

interface StreamGrain {
  readonly offset: number;
  readonly bytes: Promise<Buffer>;
}

/** A streamOptimized extent that tells by a marker or by its tables where it ends, whatever its file's size. */
export function isStream(head: Buffer): boolean {
  if (head.length < sectorBytes) return false;
  try {
    const header = parseHeader(head, '');
    const tells = header.gdOffset === undefined || frontTables(header) !== undefined;
    return header.compressed && header.capacitySectors > 0 && tells;
  } catch {
    return false; // opening it says what is wrong
  }
}

/** @throws AppError `unsupported` for an extent that is not compressed. */
export function openStream(source: ByteSource, header: SparseHeader): Disk {
  if (!header.compressed) {
    throw new AppError(
      'unsupported',
      'only a streamOptimized VMDK can be read from a source without random access',
      {
        where: source.name,
        hint: 'unpack the file first',
      },
    );
  }
  const size = header.capacitySectors * sectorBytes;
  const named = { name: source.name, size };
  const walk = new MarkerWalk(source, header);
  /** The last grain taken: the next read may want the rest of it, or all of it. */
  let current: StreamGrain | undefined;
  let position = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const take = async (
    offset: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<StreamGrain[]> => {
    throwIfAborted(signal);
    if (offset < position) {
      throw new AppError('bug', `read at ${offset} after ${position} of a disk that is a stream`, {
        where: source.name,
      });
    }
    const taken: StreamGrain[] = [];
    for (;;) {
      if (current !== undefined && current.offset + header.grainBytes > offset) {
        if (current.offset >= end) break;
        taken.push(current);
        if (current.offset + header.grainBytes > end) break;
      }
      const next = await walk.next(offset, signal);
      if (next === undefined) break;
      current = next;
    }
    position = end;
    if (end === size) await walk.finish(signal);
    return taken;
  };

  return {
    size,
    sectorSize: sectorBytes,
    async read(target, offset, signal) {
      checkRange(named, offset, target.length);
      const end = offset + target.length;
      const taking = turn.then(() => take(offset, end, signal));
      turn = taking.catch(() => undefined);
      const grains = await taking;
      target.fill(0);
      await settled(
        grains.map(async (grain) => {
          const bytes = await grain.bytes;
          const from = Math.max(offset, grain.offset);
          bytes.copy(target, from - offset, from - grain.offset, Math.min(bytes.length, end - grain.offset));
        }),
      );
    },
    async extents(from, to) {
      checkRange(named, from, to - from);
      return wholeExtent('data', from, to);
    },
    close: () => source.close(),
  };
}

class MarkerWalk {
  readonly #source: ByteSource;
  readonly #header: SparseHeader;
  #tables: { readonly from: number; readonly to: number } | undefined;
  /** Next byte of the file to be looked at; a multiple of the sector. */
  #at: number;
  #lastLba = -1;
  #ended = false;
  #failed: unknown;
  #walked = 0;
  /** How many grains the tables in front of them name; they are counted before the first grain. */
  #named: number | undefined;

  constructor(source: ByteSource, header: SparseHeader) {
    this.#source = source;
    this.#header = header;
    const metadata = Math.max(1, header.descriptorOffset + header.descriptorSectors);
    if (header.overHead < metadata || header.overHead * sectorBytes > source.size) {
      throw new AppError(
        'corrupt',
        `VMDK header: overHead ${header.overHead} is not behind the descriptor or not in the file`,
        {
          where: source.name,
        },
      );
    }
    this.#at = header.overHead * sectorBytes;
    this.#tables = frontTables(header);
  }

  /** The next grain, or nothing at the end. One that ends at or before `wantedFrom` is not inflated. */
  async next(wantedFrom: number, signal: AbortSignal | undefined): Promise<StreamGrain | undefined> {
    if (this.#failed !== undefined) throw this.#failed; // bytes were used up: going on would be from the wrong place
    try {
      return await this.#next(wantedFrom, signal);
    } catch (error) {
      this.#failed = error;
      throw error;
    }
  }

  /** Walks to the end of the stream. @throws AppError `corrupt` when it is cut short. */
  async finish(signal: AbortSignal | undefined): Promise<void> {
    const beyond = this.#header.capacitySectors * sectorBytes;
    while ((await this.next(beyond, signal)) !== undefined);
  }

  async #next(wantedFrom: number, signal: AbortSignal | undefined): Promise<StreamGrain | undefined> {
    if (this.#tables !== undefined) {
      this.#named = await countEntries(this.#source, this.#tables.from, this.#tables.to, signal);
      this.#tables = undefined;
    }
    while (!this.#ended) {
      throwIfAborted(signal);
      const at = this.#at;
      if (this.#walked === this.#named && this.#source.size === unknownSize) {
        this.#ended = true; // what may follow is empty
        return undefined;
      }
      if (at >= this.#source.size) {
        this.#endOfFile(at);
        return undefined;
      }
      const first = await this.#sectors(1, signal);
      const marker = markerStruct.decode(first);
      if (marker.size !== 0) return this.#grain(first, marker.value, marker.size, at, wantedFrom, signal);
      // qemu leaves sectors of zeros at the end; with tables in front, what they name tells where the end is.
      if (marker.type === markerType.endOfStream) this.#ended = this.#walked >= (this.#named ?? 0);
      else await this.#skip(marker.value, marker.type, at);
    }
    return undefined;
  }

  async #grain(
    first: Buffer,
    lba: number,
    size: number,
    at: number,
    wantedFrom: number,
    signal: AbortSignal | undefined,
  ): Promise<StreamGrain> {
    const { grainBytes, grainSectors, capacitySectors } = this.#header;
    const where = `${this.#source.name} at ${at}`;
    checkCompressedSize(size, grainBytes, where);
    if (lba % grainSectors !== 0 || lba >= capacitySectors) {
      throw new AppError('corrupt', `VMDK grain marker for sector ${lba} of ${capacitySectors}`, { where });
    }
    if (lba <= this.#lastLba) {
      throw new AppError('unsupported', 'the grains of this VMDK are not in ascending order', {
        where,
        hint: 'unpack the file first: it can only be read at random',
      });
    }
    this.#lastLba = lba;
    this.#walked++;
    const more = Math.ceil((grainMarkerBytes + size) / sectorBytes) - 1;
    const rest = more > 0 ? await this.#sectors(more, signal) : undefined;
    const data = rest === undefined ? first : Buffer.concat([first, rest]);
    const offset = lba * sectorBytes;
    if (offset + grainBytes <= wantedFrom) return { offset, bytes: Promise.resolve(Buffer.alloc(0)) };
    const compressed = data.subarray(grainMarkerBytes, grainMarkerBytes + size);
    const bytes = inflateGrain(compressed, this.#header, lba / grainSectors, where);
    bytes.catch(() => undefined); // thrown to whoever reads the grain
    return { offset, bytes };
  }

  /** A table, directory or footer: `sectors` of it follow. They repeat what the walk has seen. */
  async #skip(sectors: number, type: number, at: number): Promise<void> {
    const end = at + (1 + sectors) * sectorBytes;
    if (type > markerType.progress || !(end <= this.#source.size)) {
      throw new AppError('corrupt', `VMDK marker of type ${type} with ${sectors} sectors`, {
        where: `${this.#source.name} at ${at}`,
      });
    }
    this.#at = end;
  }

  #endOfFile(at: number): void {
    // With tables in front the marker is not needed: all that they name has to be there.
    const complete =
      this.#named === undefined ? this.#header.gdOffset !== undefined : this.#named === this.#walked;
    if (complete && at === this.#source.size) {
      this.#ended = true;
      return;
    }
    const found = `VMDK stream ends without an end-of-stream marker after ${this.#walked} grains`;
    throw new AppError('corrupt', this.#named === undefined ? found : `${found}, expected ${this.#named}`, {
      where: this.#source.name,
      hint: 'the file is cut short; fetch it again',
    });
  }

  async #sectors(count: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const bytes = Buffer.alloc(count * sectorBytes);
    // Without a footer behind it, the last grain may end with the file, not padded to a whole sector.
    const length =
      this.#header.gdOffset === undefined
        ? bytes.length
        : Math.min(bytes.length, this.#source.size - this.#at);
    await this.#source.read(bytes.subarray(0, length), this.#at, signal);
    this.#at += length;
    return bytes;
  }
}

/** Where the tables lie, in bytes, when they are in front of the grains: right behind their directory. */
function frontTables(header: SparseHeader): { from: number; to: number } | undefined {
  const tables = Math.ceil(header.capacitySectors / header.grainSectors / entriesPerTable);
  if (header.gdOffset === undefined) return undefined;
  const from = header.gdOffset + Math.ceil((tables * 4) / sectorBytes);
  const to = from + tables * tableSectors;
  const behindDescriptor = header.gdOffset >= header.descriptorOffset + header.descriptorSectors;
  return behindDescriptor && to <= header.overHead
    ? { from: from * sectorBytes, to: to * sectorBytes }
    : undefined;
}

/** Table entries that name a grain. */
async function countEntries(source: ByteSource, from: number, to: number, signal: AbortSignal | undefined) {
  let count = 0;
  for (let at = from; at < to; at += MiB) {
    const bytes = await readBytes(source, at, Math.min(MiB, to - at), signal);
    for (let i = 0; i < bytes.length; i += 4) if (bytes.readUInt32LE(i) > 1) count++;
  }
  return count;
}
