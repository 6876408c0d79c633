/** The bytes of a disk as the guest sees them, and plain functions from `Disk` to `Disk`. */
import { AppError } from '../model/errors.ts';
import { type ByteSource, checkRange } from './byte-source.ts';
import { type Extent, ExtentList, wholeExtent } from './extents.ts';

export interface Disk {
  /** Bytes. Not always a multiple of the sector. */
  readonly size: number;
  /** Logical sector, bytes: 512 or 4096. */
  readonly sectorSize: number;
  /**
   * Fills `target` exactly with the disk's bytes from `offset` on; what no layer holds reads as zeros.
   * Several reads may be under way at once.
   */
  read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  /** What [from, to) consists of; see the law in `extents.ts`. Costs metadata reads only. */
  extents(from: number, to: number, signal?: AbortSignal): Promise<Extent[]>;
  close(): Promise<void>;
}

/** The disk's extents from one end to the other, asked for in windows so that memory stays constant. */
export async function* walkExtents(
  disk: Pick<Disk, 'extents'>,
  from: number,
  to: number,
  signal?: AbortSignal,
  windowBytes = 4 * 2 ** 30,
): AsyncGenerator<Extent> {
  for (let at = from; at < to; at += windowBytes) {
    yield* await disk.extents(at, Math.min(at + windowBytes, to), signal);
  }
}

/** Bytes of `data` on the whole disk: what a conversion has to read. */
export async function allocatedBytes(disk: Disk, signal?: AbortSignal): Promise<number> {
  let sum = 0;
  for await (const extent of walkExtents(disk, 0, disk.size, signal)) {
    if (extent.kind === 'data') sum += extent.length;
  }
  return sum;
}

/** A source's bytes as a disk: holes of the file are zeros, as nothing lies below. */
export function sourceDisk(source: ByteSource, sectorSize = 512): Disk {
  return {
    size: source.size,
    sectorSize,
    read: (target, offset, signal) => source.read(target, offset, signal),
    async extents(from, to, signal) {
      checkRange(source, from, to - from);
      if (source.extents === undefined) return wholeExtent('data', from, to);
      return holesAsZeros(await source.extents(from, to, signal), from);
    },
    close: () => source.close(),
  };
}

/** The same extents with nothing left to ask a parent for. */
export function holesAsZeros(extents: readonly Extent[], from: number): Extent[] {
  const out = new ExtentList(from);
  for (const e of extents) out.push(e.kind === 'hole' ? 'zero' : e.kind, e.length);
  return out.list;
}

/**
 * `child` over `parent`: what the child leaves as a hole is the parent's, and zeros past the parent's end.
 * The parent may be shorter or longer than the child. The child's `read` is only asked for what it holds.
 * Closing it closes both.
 */
export function overlay(child: Disk, parent: Disk): Disk {
  return {
    size: child.size,
    sectorSize: child.sectorSize,
    async read(target, offset, signal) {
      const parts = await child.extents(offset, offset + target.length, signal);
      await Promise.all(
        parts.map(async (e) => {
          const part = target.subarray(e.offset - offset, e.offset - offset + e.length);
          if (e.kind === 'data') return child.read(part, e.offset, signal);
          if (e.kind === 'zero') return void part.fill(0);
          const below = Math.max(0, Math.min(e.length, parent.size - e.offset));
          part.fill(0, below);
          if (below > 0) await parent.read(part.subarray(0, below), e.offset, signal);
        }),
      );
    },
    async extents(from, to, signal) {
      const out = new ExtentList(from);
      for (const e of await child.extents(from, to, signal)) {
        if (e.kind !== 'hole') {
          out.push(e.kind, e.length);
          continue;
        }
        const below = Math.max(0, Math.min(e.length, parent.size - e.offset));
        if (below > 0) {
          for (const p of await parent.extents(e.offset, e.offset + below, signal))
            out.push(p.kind, p.length);
        }
        out.push('zero', e.length - below);
      }
      return out.list;
    },
    async close() {
      await Promise.all([child.close(), parent.close()]);
    },
  };
}

/** The bytes [offset, offset + length) of a disk as a disk, such as a partition. Closing it closes nothing. */
export function slice(disk: Disk, offset: number, length: number): Disk {
  if (offset < 0 || length < 0 || offset + length > disk.size) {
    throw new AppError(
      'corrupt',
      `the range ${offset}+${length} is not inside the disk (${disk.size} bytes)`,
    );
  }
  return {
    size: length,
    sectorSize: disk.sectorSize,
    async read(target, at, signal) {
      checkRange({ name: 'disk', size: length }, at, target.length);
      await disk.read(target, offset + at, signal);
    },
    async extents(from, to, signal) {
      checkRange({ name: 'disk', size: length }, from, to - from);
      const found = await disk.extents(offset + from, offset + to, signal);
      return found.map((e) => ({ ...e, offset: e.offset - offset }));
    },
    async close() {
      // nothing is held
    },
  };
}

/** The disk grown with zeros to `size` bytes (the same disk when it is that large already). */
export function padded(disk: Disk, size: number): Disk {
  if (size <= disk.size) return disk;
  const nothing: Disk = {
    size,
    sectorSize: disk.sectorSize,
    async read(target) {
      target.fill(0);
    },
    extents: async (from, to) => wholeExtent('hole', from, to),
    async close() {
      // nothing is held
    },
  };
  return overlay(nothing, disk);
}

/** The disks one behind the other, as one. Closing it closes all. */
export function concatenated(parts: readonly Disk[]): Disk {
  const starts: number[] = [];
  let size = 0;
  for (const part of parts) {
    starts.push(size);
    size += part.size;
  }
  const pieces = (from: number, to: number) => {
    const out: { part: Disk; at: number; offset: number; length: number }[] = [];
    // There may be thousands of parts.
    for (let i = lastStartingBy(starts, from); i < parts.length && starts[i]! < to; i++) {
      const part = parts[i]!;
      const start = starts[i]!;
      const a = Math.max(from, start);
      const b = Math.min(to, start + part.size);
      if (a < b) out.push({ part, at: a - start, offset: a, length: b - a });
    }
    return out;
  };
  return {
    size,
    sectorSize: parts[0]?.sectorSize ?? 512,
    async read(target, offset, signal) {
      checkRange({ name: 'disk', size }, offset, target.length);
      await Promise.all(
        pieces(offset, offset + target.length).map((p) =>
          p.part.read(target.subarray(p.offset - offset, p.offset - offset + p.length), p.at, signal),
        ),
      );
    },
    async extents(from, to, signal) {
      const out = new ExtentList(from);
      for (const p of pieces(from, to)) {
        for (const e of await p.part.extents(p.at, p.at + p.length, signal)) out.push(e.kind, e.length);
      }
      return out.list;
    },
    async close() {
      await Promise.all(parts.map((part) => part.close()));
    },
  };
}

/** The last of the ascending `starts` that is not behind `offset`. */
function lastStartingBy(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}

/**
 * The disk with `onRead(bytes)` called after each finished read. The one place where progress is counted. `gate` is
 * passed before each read of so many bytes.
 */
export function counted(
  disk: Disk,
  onRead: (bytes: number) => void,
  gate?: (bytes: number) => Promise<void>,
): Disk {
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    async read(target, offset, signal) {
      if (gate !== undefined) await gate(target.length);
      await disk.read(target, offset, signal);
      onRead(target.length);
    },
    extents: (from, to, signal) => disk.extents(from, to, signal),
    close: () => disk.close(),
  };
}
