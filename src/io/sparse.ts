/**
 * Where a local file holds data, asked of the kernel: lseek(2) with SEEK_DATA and SEEK_HOLE, through koffi.
 * Optional: without koffi, or on a filesystem that can't tell, callers go by content.
 */
import { createRequire } from 'node:module';
import { type Extent, ExtentList } from './extents.ts';
import { atFirstUse } from './native-library.ts';

// Linux, FreeBSD and macOS number them differently (unistd.h of each).
const whence: Partial<Record<NodeJS.Platform, { data: number; hole: number }>> = {
  linux: { data: 3, hole: 4 },
  freebsd: { data: 3, hole: 4 },
  darwin: { data: 4, hole: 3 },
};
const library: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libc.so.6',
  freebsd: 'libc.so.7',
  darwin: 'libSystem.B.dylib',
};

type Lseek = (fd: number, offset: number, whence: number) => number | bigint;

/** lseek, or undefined where koffi, an optional package, is not there. Loading takes some 10 ms; `doctor` tells. */
const loadLseek = atFirstUse((): Lseek | undefined => {
  const name = library[process.platform];
  if (name === undefined) return undefined;
  const koffi = createRequire(import.meta.url)('koffi');
  return koffi.load(name).func('int64_t lseek(int, int64_t, int)') as Lseek;
});

/** Whether ranges of data can be asked for on this computer at all. */
export const canSeekData = (): boolean => loadLseek() !== undefined;

/**
 * Data and zeros (holes) of [from, to) of an open file, or undefined when the system can't tell.
 * A file that is being changed may be reported late; a source must not be changed while it is read.
 */
export function seekExtents(fd: number, from: number, to: number): Extent[] | undefined {
  const seek = loadLseek();
  const numbers = whence[process.platform];
  if (seek === undefined || numbers === undefined) return undefined;
  const out = new ExtentList(from);
  while (out.end < to) {
    const data = Number(seek(fd, out.end, numbers.data));
    // -1 is ENXIO: no data up to the file's end; or EINVAL, where nothing is known.
    if (data < 0 && Number(seek(fd, out.end, numbers.hole)) < 0) return undefined;
    const start = data < 0 ? to : Math.min(data, to);
    out.push('zero', start - out.end);
    if (start >= to) break;
    const hole = Number(seek(fd, start, numbers.hole));
    if (hole <= start) return undefined;
    out.push('data', Math.min(hole, to) - start);
  }
  return out.list;
}

// FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h.
const punch = 3;
type Fallocate = (fd: number, mode: number, offset: number, length: number) => number;

/** Makes [offset, offset + length) of an open file zeros that take no room; false where the system can't. */
export function punchHole(fd: number, offset: number, length: number): boolean {
  const call = loadFallocate();
  return call !== undefined && call(fd, punch, offset, length) === 0;
}

const loadFallocate = atFirstUse((): Fallocate | undefined => {
  if (process.platform !== 'linux') return undefined;
  const koffi = createRequire(import.meta.url)('koffi');
  // off_t has 64 bits in the function of this name, whatever the processor.
  return koffi.load('libc.so.6').func('int fallocate64(int, int, int64_t, int64_t)') as Fallocate;
});
