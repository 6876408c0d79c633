/**
 * Write-back cache over a disk, for a library that asks for single blocks: read in pages, written in runs. What is
 * written whole is not read before.
 */
import type { WritableDisk } from '../../../../io/writable-disk.ts';

const pageBytes = 64 * 1024;
const sectorBytes = 4096;
const mostPages = 512;
const mostRunBytes = 2 ** 20;

interface Page {
  readonly bytes: Buffer;
  /** A bit per sector: holds what the disk holds, or what is to be written. */
  valid: number;
  dirty: number;
}

export class BlockCache {
  readonly #disk: WritableDisk;
  readonly #signal: AbortSignal;
  readonly #pages = new Map<number, Page>();

  constructor(disk: WritableDisk, signal: AbortSignal) {
    this.#disk = disk;
    this.#signal = signal;
  }

  get size(): number {
    return this.#disk.size;
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    for (const piece of piecesOf(offset, target.length)) {
      const page = await this.#page(piece.page);
      if ((page.valid & piece.touched) !== piece.touched) await this.#load(piece.page, page);
      target.set(page.bytes.subarray(piece.from, piece.to), piece.at);
    }
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    for (const piece of piecesOf(offset, bytes.length)) {
      const page = await this.#page(piece.page);
      const inPart = piece.touched & ~sectorsWithin(piece.from, piece.to, page.bytes.length);
      if ((inPart & ~page.valid) !== 0) await this.#load(piece.page, page);
      page.bytes.set(bytes.subarray(piece.at, piece.at + piece.to - piece.from), piece.from);
      page.valid |= piece.touched;
      page.dirty |= piece.touched;
    }
  }

  async flush(): Promise<void> {
    let run: { offset: number; parts: Buffer[]; length: number } | undefined;
    const put = async () => {
      if (run !== undefined) await this.#disk.write(Buffer.concat(run.parts), run.offset, this.#signal);
      run = undefined;
    };
    for (const [number, page] of [...this.#pages].sort(([a], [b]) => a - b)) {
      for (let from = 0; from < page.bytes.length; from += sectorBytes) {
        if ((page.dirty & bitAt(from)) === 0) continue;
        const part = page.bytes.subarray(from, from + sectorBytes);
        const offset = number * pageBytes + from;
        if (run === undefined || run.offset + run.length !== offset || run.length >= mostRunBytes) {
          await put();
          run = { offset, parts: [], length: 0 };
        }
        run.parts.push(part);
        run.length += part.length;
      }
      page.dirty = 0;
    }
    await put();
  }

  async #page(number: number): Promise<Page> {
    let page = this.#pages.get(number);
    if (page !== undefined) return page;
    if (this.#pages.size >= mostPages) {
      await this.flush();
      this.#pages.clear();
    }
    const length = Math.min(pageBytes, this.#disk.size - number * pageBytes);
    page = { bytes: Buffer.alloc(length), valid: 0, dirty: 0 };
    this.#pages.set(number, page);
    return page;
  }

  /** Fills in what is not valid yet. */
  async #load(number: number, page: Page): Promise<void> {
    const read = Buffer.allocUnsafe(page.bytes.length);
    await this.#disk.read(read, number * pageBytes, this.#signal);
    for (let from = 0; from < read.length; from += sectorBytes) {
      if ((page.valid & bitAt(from)) === 0) read.copy(page.bytes, from, from, from + sectorBytes);
    }
    page.valid = ~0;
  }
}

const bitAt = (offset: number) => 1 << (offset / sectorBytes);

function* piecesOf(offset: number, length: number) {
  for (let at = 0; at < length; ) {
    const page = Math.floor((offset + at) / pageBytes);
    const from = offset + at - page * pageBytes;
    const to = Math.min(pageBytes, from + length - at);
    let touched = 0;
    for (let sector = from - (from % sectorBytes); sector < to; sector += sectorBytes)
      touched |= bitAt(sector);
    yield { page, from, to, at, touched };
    at += to - from;
  }
}

/** Those that lie in the range as a whole; the last one of the disk may be short. */
function sectorsWithin(from: number, to: number, pageLength: number): number {
  let bits = 0;
  for (let sector = Math.ceil(from / sectorBytes) * sectorBytes; sector < to; sector += sectorBytes)
    if (Math.min(sector + sectorBytes, pageLength) <= to) bits |= bitAt(sector);
  return bits;
}
