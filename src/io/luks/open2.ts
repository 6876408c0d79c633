/** From a passphrase to the key of a LUKS2 volume. */
import { timingSafeEqual } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import type { LuksSource } from './header1.ts';
import type { Keyslot2, Luks2Header } from './header2.ts';
import { derivedKey } from './key-derivation.ts';
import { cipherSpec, sectorCipher } from './sector-cipher.ts';
import { knownHash, mergeStripes } from './stripes.ts';

const sectorBytes = 512;

/**
 * The key of the segment; undefined where the passphrase is that of no key slot.
 * @throws AppError `unsupported` where no slot can be tried at all; `corrupt`.
 */
export async function volumeKey2(
  source: LuksSource,
  header: Luks2Header,
  passphrase: Buffer,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  let refusal: AppError | undefined;
  let tried = 0;
  for (const { id, slot } of header.slots) {
    throwIfAborted(signal);
    const digest = header.digests.find(
      (d) => d.keyslots.includes(id) && d.segments.includes(header.segmentId),
    );
    if (digest === undefined) continue; // of an unbound key
    const where = `${source.name}, LUKS2 key slot ${id}`;
    try {
      const key = await keyOf(source, slot, passphrase, where, signal);
      const expected = Buffer.from(digest.digest, 'base64');
      const found = await derivedKey(key, { ...digest, type: 'pbkdf2' }, expected.length, where, signal);
      if (timingSafeEqual(found, expected)) return key;
      tried++;
    } catch (error) {
      // A slot that is not understood does not hide the one that opens.
      if (!(error instanceof AppError) || (error.kind !== 'unsupported' && error.kind !== 'corrupt'))
        throw error;
      refusal ??= error;
    }
  }
  if (tried > 0) return undefined;
  throw refusal ?? new AppError('corrupt', 'no key slot is in use: the key is lost', { where: source.name });
}

async function keyOf(
  source: LuksSource,
  { key_size: keyBytes, area, kdf, af }: Keyslot2,
  passphrase: Buffer,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const offset = Number(area.offset);
  const length = Math.ceil((keyBytes * af.stripes) / sectorBytes) * sectorBytes;
  if (keyBytes > 512 || length > 4 * MiB || length > Number(area.size) || offset > source.size - length)
    throw new AppError('corrupt', `${length} bytes of key material at ${offset}`, { where });
  const hash = knownHash(af.hash, where);
  const cipher = cipherSpec(area.encryption, area.key_size, where);
  const slotKey = await derivedKey(passphrase, kdf, area.key_size, where, signal);
  const material = await readBytes(source, offset, length, signal);
  sectorCipher(cipher, slotKey)(material, 0);
  return mergeStripes(material, keyBytes, af.stripes, hash);
}
