/**
 * An XVA as it comes, from its start to its end, once: the description, then the disks one after the other. Each block
 * is checked before it is handed on.
 */
import { throwIfAborted } from '../../io/in-order.ts';
import { largestXmlBytes } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { tarBlockBytes } from '../ovf/tar-header.ts';
import { parseOvaXml, type XvaDescription } from './ova-xml.ts';
import { checkBlock, lastBlock } from './read-xva.ts';
import type { XvaBlocks } from './xva-machines.ts';
import {
  blockBytes,
  blockOf,
  checksumFor,
  cutShort,
  descriptionName,
  isChecksumOf,
  memberIn,
  padded,
  wrongChecksum,
  type XvaMember,
} from './xva-tar.ts';

const zeros = Buffer.alloc(MiB);

export class XvaStream {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #name: string;
  readonly #signal: AbortSignal | undefined;
  #piece: Uint8Array = new Uint8Array(0);
  /** Bytes that were taken. */
  #at = 0;
  /** The member whose bytes come next; null at the end, undefined where nobody has looked. */
  #next: XvaMember | null | undefined;
  /** Directories of disks that are known, true when one of its blocks has gone by. */
  readonly #passed = new Map<string, boolean>();

  /** The bytes of each piece are the taker's until the next one is asked for. */
  constructor(pieces: AsyncIterator<Uint8Array>, name: string, signal?: AbortSignal) {
    this.#pieces = pieces;
    this.#name = name;
    this.#signal = signal;
  }

  /** To be asked for first. @throws AppError `corrupt`, `unsupported`. */
  async description(): Promise<XvaDescription> {
    const member = await this.#look();
    if (member === undefined || member.name !== descriptionName || member.size > largestXmlBytes) {
      throw new AppError('corrupt', 'it does not begin with ova.xml', {
        where: this.#name,
        hint: 'this is not an XVA, or it is damaged',
      });
    }
    const description = parseOvaXml(await this.#take(), `${this.#name}:${descriptionName}`);
    for (const { kind, id } of description.objects) if (kind === 'VDI') this.#passed.set(id, false);
    return description;
  }

  /** Blocks of this disk have gone by: it can't be read any more. */
  hasPassed(directory: string): boolean {
    return this.#passed.get(directory) !== false;
  }

  /** The disk's bytes from its start to its end; what comes before them is passed over. @throws AppError. */
  async *disk(disk: XvaBlocks): AsyncGenerator<Uint8Array> {
    const where = `${this.#name}:${disk.directory}`;
    let last = -1;
    while (last !== lastBlock(disk.size)) {
      const member = await this.#look();
      if (member === undefined) throw cutShort(where);
      const block = blockOf(member.name);
      if (block?.disk !== disk.directory || member.size === 0) {
        await this.#skip();
        continue;
      }
      checkBlock(block.number, member.size, last, disk, where);
      for (let skipped = last + 1; skipped < block.number; skipped++) yield zeros;
      last = block.number;
      const bytes = await this.#take();
      await this.#check(member.name, bytes, where);
      yield bytes.subarray(0, Math.min(blockBytes, disk.size - last * blockBytes));
    }
  }

  async #check(name: string, bytes: Buffer, where: string): Promise<void> {
    const beside = await this.#look();
    if (beside === undefined || !isChecksumOf(beside, name)) return;
    const wanted = await checksumFor(beside.name, bytes);
    const told = (await this.#take()).toString('latin1').trim();
    if (wanted !== undefined && told.toLowerCase() !== wanted.toLowerCase()) throw wrongChecksum(name, where);
  }

  async #look(): Promise<XvaMember | undefined> {
    if (this.#next === undefined) {
      const header = Buffer.allocUnsafe(tarBlockBytes);
      const at = this.#at;
      this.#next = (await this.#fill(header)) ? (memberIn(header, at, this.#name) ?? null) : null;
    }
    return this.#next ?? undefined;
  }

  async #take(): Promise<Buffer> {
    const size = this.#gone();
    // Bounded by `memberIn`.
    const bytes = Buffer.allocUnsafe(padded(size));
    if (!(await this.#fill(bytes))) throw cutShort(this.#name);
    return bytes.subarray(0, size);
  }

  async #skip(): Promise<void> {
    for (let left = padded(this.#gone()); left > 0; ) {
      const part = await this.#some(left);
      if (part === undefined) throw cutShort(this.#name);
      left -= part.length;
    }
  }

  /** The member that was looked at is used up; its size. */
  #gone(): number {
    const { name, size } = this.#next!;
    this.#next = undefined;
    const directory = blockOf(name)?.disk;
    if (directory !== undefined && size > 0 && this.#passed.has(directory)) this.#passed.set(directory, true);
    return size;
  }

  /** False when it ends before. */
  async #fill(target: Buffer): Promise<boolean> {
    for (let filled = 0; filled < target.length; ) {
      const part = await this.#some(target.length - filled);
      if (part === undefined) return false;
      target.set(part, filled);
      filled += part.length;
    }
    return true;
  }

  async #some(most: number): Promise<Uint8Array | undefined> {
    while (this.#piece.length === 0) {
      throwIfAborted(this.#signal);
      const next = await this.#pieces.next();
      if (next.done) return undefined;
      this.#piece = next.value;
    }
    const part = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(part.length);
    this.#at += part.length;
    return part;
  }
}
