/**
 * The digest of a disk, made while it is read. It tells of the disk's bytes alone, not of where they came from: a block
 * of zeros has the digest of zeros, whether it was read or known.
 *
 *   leaf    1 MiB of the disk (the last one may be shorter): hash(bytes)
 *   block   4 MiB of the disk (the last one may be shorter): hash(its leaves' digests, one behind the other)
 *   whole   SHA-256 over the text `vmferry disk digest 1 ALGORITHM SIZE\n`, then for each block that is not all zeros,
 *           ascending: its number (64 bits, big-endian) and its digest
 *
 * Memory: the digests of blocks that hold data, 17 KiB for each 4 GiB of the disk with any.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';
import { type BlockHash, blockHash, type DigestAlgorithm, usualAlgorithm } from './digest-hash.ts';

export const leafBytes = MiB;
export const blockBytes = 4 * MiB;
const leavesOfBlock = blockBytes / leafBytes;
const zeros = Buffer.alloc(leafBytes);

export interface BlockDigest {
  /** Its number: it begins at `block * blockBytes`. */
  readonly block: number;
  readonly digest: Buffer;
}

const blocksOfSegment = 1024;
interface Segment {
  readonly states: Uint8Array;
  readonly digests: Buffer;
}
const isData = 1;
const isZeros = 2;

export interface DigestOptions {
  readonly algorithm?: DigestAlgorithm | undefined;
  /** Called for each block that was read, as its digest becomes known. */
  readonly onBlock?: ((known: BlockDigest) => void) | undefined;
}

/** `size`: the disk's, bytes. @throws AppError `unsupported` for an algorithm that is not to be had here. */
export async function diskDigest(size: number, options: DigestOptions = {}): Promise<DiskDigest> {
  const hash = blockHash(options.algorithm ?? usualAlgorithm());
  const lastLeaf = size % leafBytes;
  const leaves = await Promise.all([hash.hash(zeros), hash.hash(zeros.subarray(0, lastLeaf))]);
  return new DiskDigest(size, hash, { whole: leaves[0]!, last: leaves[1]! }, options.onBlock);
}

export class DiskDigest {
  /** Of the disk, bytes. */
  readonly size: number;
  readonly hash: BlockHash;
  readonly #segments = new Map<number, Segment>();
  /** Of leaves of zeros. */
  readonly #zeroLeaves: { readonly whole: Buffer; readonly last: Buffer };
  readonly #zeroBlock: Buffer;
  readonly #onBlock: ((known: BlockDigest) => void) | undefined;

  constructor(
    size: number,
    hash: BlockHash,
    zeroLeaves: { readonly whole: Buffer; readonly last: Buffer },
    onBlock?: (known: BlockDigest) => void,
  ) {
    this.size = size;
    this.hash = hash;
    this.#zeroLeaves = zeroLeaves;
    this.#zeroBlock = hash.hashNow(Buffer.concat(Array(leavesOfBlock).fill(zeroLeaves.whole)));
    this.#onBlock = onBlock;
  }

  get algorithm(): DigestAlgorithm {
    return this.hash.algorithm;
  }

  get blockCount(): number {
    return Math.ceil(this.size / blockBytes);
  }

  /** Bytes of a block: less only of the last one. */
  lengthOf(block: number): number {
    return Math.min(blockBytes, this.size - block * blockBytes);
  }

  /** Blocks that an earlier run has read: they need not be read again. @throws AppError `corrupt`. */
  preload(blocks: Iterable<BlockDigest>): void {
    for (const { block, digest } of blocks) this.#put(block, digest);
  }

  /** What the block consists of; a leaf that is not given is all zeros. */
  put(block: number, leaves: readonly (Buffer | undefined)[]): void {
    const count = Math.ceil(this.lengthOf(block) / leafBytes);
    const all = Array.from({ length: count }, (_, i) => leaves[i] ?? this.#zeroLeaf(block, i));
    const digest = this.hash.hashNow(Buffer.concat(all));
    this.#put(block, digest);
    this.#onBlock?.({ block, digest });
  }

  /** Whether the block was read, or preloaded. */
  has(block: number): boolean {
    return this.#state(block) !== 0;
  }

  /** Of a block that nobody has read: that of zeros. */
  of(block: number): Buffer {
    const at = block % blocksOfSegment;
    const segment = this.#segments.get(Math.floor(block / blocksOfSegment));
    if (segment?.states[at] !== isData) return this.zerosOf(block);
    return segment.digests.subarray(at * this.hash.length, (at + 1) * this.hash.length);
  }

  /** The digest that the block has when it is all zeros. */
  zerosOf(block: number): Buffer {
    const length = this.lengthOf(block);
    if (length === blockBytes) return this.#zeroBlock;
    const count = Math.ceil(length / leafBytes);
    return this.hash.hashNow(
      Buffer.concat(Array.from({ length: count }, (_, i) => this.#zeroLeaf(block, i))),
    );
  }

  /** Ascending, those that are not all zeros, from one number on and before another. */
  *blocks(from = 0, to = this.blockCount): Generator<BlockDigest> {
    for (const number of this.#numbers()) {
      const first = number * blocksOfSegment;
      const start = Math.max(from, first);
      const end = Math.min(to, first + blocksOfSegment);
      const { states } = this.#segments.get(number)!;
      for (let block = start; block < end; block++) {
        if (states[block - first] === isData) yield { block, digest: this.of(block) };
      }
    }
  }

  /** Ascending, all that were read. */
  *known(): Generator<BlockDigest> {
    for (const number of this.#numbers()) {
      const first = number * blocksOfSegment;
      const { states } = this.#segments.get(number)!;
      for (const [at, state] of states.entries())
        if (state !== 0) yield { block: first + at, digest: this.of(first + at) };
    }
  }

  #numbers(): number[] {
    return [...this.#segments.keys()].sort((a, b) => a - b);
  }

  /** Hexadecimal; see above. */
  whole(): string {
    const hash = createHash('sha256').update(`vmferry disk digest 1 ${this.algorithm} ${this.size}\n`);
    const number = Buffer.alloc(8);
    for (const { block, digest } of this.blocks()) {
      number.writeBigUInt64BE(BigInt(block));
      hash.update(number).update(digest);
    }
    return hash.digest('hex');
  }

  #state(block: number): number {
    return this.#segments.get(Math.floor(block / blocksOfSegment))?.states[block % blocksOfSegment] ?? 0;
  }

  #zeroLeaf(block: number, leaf: number): Buffer {
    const short = block * blockBytes + (leaf + 1) * leafBytes > this.size;
    return short ? this.#zeroLeaves.last : this.#zeroLeaves.whole;
  }

  /** Of one of zeros no digest is kept. */
  #put(block: number, digest: Buffer): void {
    if (!Number.isSafeInteger(block) || block < 0 || block >= this.blockCount) {
      throw new AppError('corrupt', `there is no block ${block} in a disk of ${this.size} bytes`);
    }
    if (digest.length !== this.hash.length) {
      throw new AppError(
        'corrupt',
        `a digest of ${digest.length} bytes, ${this.algorithm} has ${this.hash.length}`,
      );
    }
    const number = Math.floor(block / blocksOfSegment);
    const segment = this.#segments.get(number) ?? newSegment(this.hash.length);
    this.#segments.set(number, segment);
    const at = block % blocksOfSegment;
    const holds = !digest.equals(this.zerosOf(block));
    segment.states[at] = holds ? isData : isZeros;
    if (holds) digest.copy(segment.digests, at * this.hash.length);
  }
}

const newSegment = (length: number): Segment => ({
  states: new Uint8Array(blocksOfSegment),
  digests: Buffer.alloc(blocksOfSegment * length),
});
