/** From a passphrase to the key of a LUKS1 volume. */
import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { readBytes } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import type { KeySlot, LuksHeader, LuksSource } from './header1.ts';
import { sectorCipher } from './sector-cipher.ts';
import { mergeStripes } from './stripes.ts';

const derive = promisify(pbkdf2);

/** The volume's key; undefined where the passphrase is that of no key slot. */
export async function volumeKey1(
  source: LuksSource,
  header: LuksHeader,
  passphrase: Buffer,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  for (const slot of header.slots) {
    throwIfAborted(signal);
    const key = await keyOf(source, header, slot, passphrase, signal);
    if (key !== undefined) return key;
  }
  return undefined;
}

async function keyOf(
  source: LuksSource,
  header: LuksHeader,
  slot: KeySlot,
  passphrase: Buffer,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  const { hash, keyBytes, digest, digestSalt, digestIterations } = header;
  const slotKey = await derive(passphrase, slot.salt, slot.iterations, keyBytes, hash);
  const material = await readBytes(source, slot.offset, slot.bytes, signal);
  sectorCipher(header.cipher, slotKey)(material, 0);
  const key = mergeStripes(material, keyBytes, slot.stripes, hash);
  const found = await derive(key, digestSalt, digestIterations, digest.length, hash);
  return timingSafeEqual(found, digest) ? key : undefined;
}
