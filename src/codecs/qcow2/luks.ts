/** From a passphrase to the plain bytes of an image that is encrypted with LUKS. */
import { createHash, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { type KeySlot, type LuksHeader, readLuksHeader } from './luks-header.ts';
import { type SectorCipher, sectorCipher } from './sector-cipher.ts';

const derive = promisify(pbkdf2);
const sectorBytes = 512;
/** Decrypted at once: it is done on this thread. */
const stepBytes = 256 * 1024;

/** @throws AppError `auth` when no key slot opens with it; `corrupt`, `unsupported`. */
export async function unlock(
  source: ByteSource,
  place: { readonly offset: number; readonly bytes: number },
  secret: ((what: string) => Promise<string>) | undefined,
  signal: AbortSignal | undefined,
): Promise<SectorCipher> {
  const header = await readLuksHeader(source, place, signal);
  const hint = 'give the passphrase with --secret passphrase=…';
  if (secret === undefined) {
    throw new AppError('auth', 'the image is encrypted (LUKS), and no passphrase was given', {
      where: source.name,
      hint,
    });
  }
  const passphrase = Buffer.from(await secret('passphrase'), 'utf8');
  for (const slot of header.slots) {
    const key = await keyOf(source, header, slot, passphrase, signal);
    if (key !== undefined) return sectorCipher(header.cipher, key);
  }
  throw new AppError('auth', 'the passphrase opens none of the key slots of the image', {
    where: source.name,
    hint,
  });
}

/** The master key, where the passphrase is that of the slot. */
async function keyOf(
  source: ByteSource,
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

/** The specification's AFmerge: the key is spread over all stripes, so that losing one loses it. */
function mergeStripes(material: Buffer, keyBytes: number, stripes: number, hash: string): Buffer {
  let mixed: Buffer = Buffer.alloc(keyBytes);
  for (let i = 0; i < stripes; i++) {
    const stripe = material.subarray(i * keyBytes, (i + 1) * keyBytes);
    for (let k = 0; k < keyBytes; k++) mixed[k]! ^= stripe[k]!;
    if (i < stripes - 1) mixed = diffuse(mixed, hash);
  }
  return mixed;
}

function diffuse(block: Buffer, hash: string): Buffer {
  const parts: Buffer[] = [];
  const number = Buffer.alloc(4);
  for (let at = 0, i = 0; at < block.length; i++) {
    number.writeUInt32BE(i);
    const digest = createHash(hash).update(number);
    const size = Math.min(digestBytes(hash), block.length - at);
    parts.push(
      digest
        .update(block.subarray(at, at + size))
        .digest()
        .subarray(0, size),
    );
    at += size;
  }
  return Buffer.concat(parts);
}

const digestBytes = (hash: string): number =>
  hash === 'sha1' || hash === 'ripemd160' ? 20 : Number(hash.slice(3)) / 8;

/** The bytes of `source` decrypted, each sector by its number in it: qemu counts from the file's start. */
export function decrypted(source: ByteSource, decrypt: SectorCipher): Pick<ByteSource, 'read'> {
  return {
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const inside = at % sectorBytes;
        const length = Math.min(target.length - done, stepBytes - inside);
        const whole = inside === 0 && length % sectorBytes === 0;
        const bytes = whole
          ? target.subarray(done, done + length)
          : Buffer.allocUnsafe(Math.ceil((inside + length) / sectorBytes) * sectorBytes);
        await source.read(bytes, at - inside, signal);
        decrypt(bytes, (at - inside) / sectorBytes);
        if (!whole) target.set(bytes.subarray(inside, inside + length), done);
        done += length;
      }
    },
  };
}
