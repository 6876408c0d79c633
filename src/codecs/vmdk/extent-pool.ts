/**
 * Extents that are open for as long as they are in use: a disk of 8 TiB split at 2 GiB has more than 4,000 files,
 * which is more than a process may hold open, and the tables of all of them more than should be in memory.
 */
import type { Disk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';

const mostOpen = 64;

type Opener = (signal?: AbortSignal) => Promise<Disk>;

interface Slot {
  readonly open: Opener;
  readonly size: number;
  disk: Promise<Disk> | undefined;
  /** Calls under way: a slot in use is not closed. */
  users: number;
}

export class ExtentPool {
  /** Those that are open; the one not used for longest is first. */
  readonly #open = new Set<Slot>();
  #closed = false;

  /** `disk` is open already; it may be closed, and opened again with `open`. */
  async add(disk: Disk, open: Opener): Promise<Disk> {
    const slot: Slot = { open, size: disk.size, disk: Promise.resolve(disk), users: 0 };
    this.#open.add(slot);
    await this.#trim();
    return {
      size: disk.size,
      sectorSize: disk.sectorSize,
      read: (target, offset, signal) => this.#use(slot, (d) => d.read(target, offset, signal)),
      extents: (from, to, signal) => this.#use(slot, (d) => d.extents(from, to, signal)),
      close: async () => undefined, // the pool closes all
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open].map((slot) => this.#shut(slot)));
  }

  async #use<T>(slot: Slot, work: (disk: Disk) => Promise<T>): Promise<T> {
    slot.users++;
    try {
      return await work(await this.#opened(slot));
    } finally {
      slot.users--;
      await this.#trim();
    }
  }

  /** Opened for all who wait for it, so no one's abort may end it. */
  #opened(slot: Slot): Promise<Disk> {
    if (this.#closed) throw new AppError('bug', 'an extent is read after the disk was closed');
    this.#open.delete(slot);
    this.#open.add(slot);
    slot.disk ??= this.#reopen(slot);
    return slot.disk;
  }

  async #reopen(slot: Slot): Promise<Disk> {
    try {
      const disk = await slot.open();
      if (disk.size === slot.size) return disk;
      await disk.close();
      throw new AppError('io', 'an extent of the disk was changed while it was read');
    } catch (error) {
      slot.disk = undefined; // the next one may do better
      this.#open.delete(slot);
      throw error;
    }
  }

  async #trim(): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const slot of this.#open) {
      if (this.#open.size <= mostOpen) break;
      if (slot.users === 0) closing.push(this.#shut(slot));
    }
    await Promise.all(closing);
  }

  async #shut(slot: Slot): Promise<void> {
    const { disk } = slot;
    slot.disk = undefined;
    this.#open.delete(slot);
    await disk?.then((d) => d.close()).catch(() => undefined); // one that could not be opened holds nothing
  }
}
