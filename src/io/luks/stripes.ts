/** How LUKS, both versions, stores a key: spread over many stripes, so that losing one of them loses the key. */
import { createHash } from 'node:crypto';
import { AppError } from '../../model/errors.ts';

/** The hash as node:crypto names it. @throws AppError `unsupported`. */
export function knownHash(name: string, where: string): string {
  if (['sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'ripemd160'].includes(name)) return name;
  const shown = name.slice(0, 40).replace(/[^ -~]/g, '?');
  throw new AppError('unsupported', `LUKS with the hash "${shown}"; sha1 to sha512 are supported`, { where });
}

/** AFmerge of the LUKS1 specification. `material` holds at least `stripes` times `keyBytes`. */
export function mergeStripes(material: Buffer, keyBytes: number, stripes: number, hash: string): Buffer {
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
    const size = Math.min(digestBytes(hash), block.length - at);
    const digest = createHash(hash).update(number);
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
