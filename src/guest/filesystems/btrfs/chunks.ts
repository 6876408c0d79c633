/** From the filesystem's own addresses to places on this device: chunks, each on one or more stripes. */
import { AppError } from '../../../model/errors.ts';

interface Chunk {
  readonly logical: number;
  readonly length: number;
  /** Copies on this device; each holds the whole chunk. */
  readonly places: readonly number[];
}

/** RAID0, RAID10, RAID5, RAID6: a stripe holds a part only. */
const striped = 0x8 | 0x40 | 0x80 | 0x100;

export class Chunks {
  readonly #devid: number;
  readonly #chunks: Chunk[] = [];

  constructor(devid: number) {
    this.#devid = devid;
  }

  /** Takes up the chunk at `logical`. @returns the item's bytes. @throws AppError `corrupt`. */
  add(logical: number, item: Buffer): number {
    const stripes = item.length < 48 ? 0 : item.readUInt16LE(44);
    const bytes = 48 + stripes * 32;
    if (stripes === 0 || bytes > item.length)
      throw new AppError('corrupt', `btrfs chunk ${logical}: ${stripes} stripes`);
    const length = Number(item.readBigUInt64LE(0));
    if (length === 0 || !Number.isSafeInteger(logical + length))
      throw new AppError('corrupt', `btrfs chunk ${logical}: ${length} bytes`);
    const type = Number(item.readBigUInt64LE(24) & 0xffffn);
    const places: number[] = [];
    for (let at = 48; at < bytes; at += 32) {
      if (Number(item.readBigUInt64LE(at)) === this.#devid) places.push(Number(item.readBigUInt64LE(at + 8)));
    }
    const whole = stripes === 1 || (type & striped) === 0;
    const chunk = { logical, length, places: whole ? places : [] };
    const at = this.#before(logical) + 1;
    if (this.#chunks[at - 1]?.logical === logical) this.#chunks[at - 1] = chunk;
    else this.#chunks.splice(at, 0, chunk);
    return bytes;
  }

  /** Where the range is on this device, all copies. @throws AppError `corrupt`; `unsupported` when it is elsewhere. */
  places(logical: number, length: number): number[] {
    const chunk = this.#chunks[this.#before(logical)];
    if (chunk === undefined || logical + length > chunk.logical + chunk.length)
      throw new AppError('corrupt', `btrfs: ${length} bytes at ${logical} are in no chunk`);
    if (chunk.places.length === 0)
      throw new AppError('unsupported', `btrfs: ${length} bytes at ${logical} are on another device`, {
        hint: 'a btrfs of several devices can only be read where each device has all of it (RAID1)',
      });
    return chunk.places.map((place) => place + (logical - chunk.logical));
  }

  /** The last one that does not start behind `logical`; -1: none. */
  #before(logical: number): number {
    let low = -1;
    let high = this.#chunks.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#chunks[middle]!.logical <= logical) low = middle;
      else high = middle;
    }
    return low;
  }
}
