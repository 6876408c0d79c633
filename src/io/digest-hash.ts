/** The two ways a disk's blocks are hashed: XXH3, which costs next to nothing, and SHA-256, which others know too. */
import { createHash, webcrypto } from 'node:crypto';
import { AppError } from '../model/errors.ts';
import { xxh3 } from './xxh3.ts';

export type DigestAlgorithm = 'xxh3-128' | 'sha256';

export interface BlockHash {
  readonly algorithm: DigestAlgorithm;
  /** Bytes of a digest. */
  readonly length: number;
  /** Where it takes long, off this thread: `bytes` must stay untouched until it is done. */
  hash(bytes: Uint8Array): Promise<Buffer>;
  /** On this thread, for a few bytes. */
  hashNow(bytes: Uint8Array): Buffer;
}

const sha256: BlockHash = {
  algorithm: 'sha256',
  length: 32,
  hash: async (bytes) => Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)),
  hashNow: (bytes) => createHash('sha256').update(bytes).digest(),
};

/** What is taken where nothing else is asked for. */
export const usualAlgorithm = (): DigestAlgorithm => (xxh3() === undefined ? 'sha256' : 'xxh3-128');

export const isAlgorithm = (text: string): text is DigestAlgorithm =>
  text === 'xxh3-128' || text === 'sha256';

/** @throws AppError `unsupported` for XXH3 where the system has no libxxhash. */
export function blockHash(algorithm: DigestAlgorithm): BlockHash {
  if (algorithm === 'sha256') return sha256;
  const library = xxh3();
  if (library !== undefined)
    return { algorithm, length: 16, hashNow: library, hash: async (bytes) => library(bytes) };
  throw new AppError('unsupported', 'these digests are XXH3, and libxxhash is not to be found here', {
    hint: 'install it (package libxxhash0), or leave VMFERRY_NATIVE=off out',
  });
}
