import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/io/byte-source.ts';
import { readLuksHeader } from '../../../src/io/luks/header1.ts';
import { cipherSpec, sectorCipher } from '../../../src/io/luks/sector-cipher.ts';
import { AppError } from '../../../src/model/errors.ts';
import { randomNumbers } from '../../conformance/random.ts';

function startValue(sector: number, plain: boolean): Buffer {
  const out = Buffer.alloc(16);
  out.writeBigUInt64LE(BigInt(plain ? sector % 2 ** 32 : sector));
  return out;
}

describe('sector cipher, beside the ciphers of node:crypto sector by sector', () => {
  const modes = [
    ['xts-plain64', 'aes-256-xts', 64],
    ['xts-plain', 'aes-128-xts', 32],
    ['cbc-plain64', 'aes-192-cbc', 24],
    ['cbc-essiv:sha256', 'aes-128-cbc', 16],
  ] as const;
  it.each(modes)('%s, %s', (mode, cipher, keyBytes) => {
    const key = randomBytes(keyBytes);
    const plain = randomBytes(5 * 512);
    const first = 2 ** 32 - 2; // the number passes 32 bits
    const sealed = Buffer.concat(
      Array.from({ length: 5 }, (_, i) => {
        let start = startValue(first + i, mode === 'xts-plain');
        if (mode === 'cbc-essiv:sha256') {
          const salted = createHash('sha256').update(key).digest();
          start = createCipheriv('aes-256-ecb', salted, null).setAutoPadding(false).update(start);
        }
        const sector = createCipheriv(cipher, key, start).setAutoPadding(false);
        return sector.update(plain.subarray(i * 512, (i + 1) * 512));
      }),
    );
    // At an odd place as well: words can't be used there.
    for (const shift of [0, 1]) {
      const bytes = Buffer.concat([Buffer.alloc(shift), sealed]).subarray(shift);
      sectorCipher(cipherSpec(`aes-${mode}`, keyBytes, 'x'), key)(bytes, first);
      expect(bytes.equals(plain)).toBe(true);
    }
  });

  it.each([
    ['serpent', 'xts-plain64', 64],
    ['aes', 'lrw-benbi', 32],
    ['aes', 'xts-plain64', 40],
    ['aes', 'cbc-essiv', 32],
    ['aes', 'cbc-essiv:md5', 32],
  ])('refuses %s-%s with a key of %i bytes', (name, mode, keyBytes) => {
    expect(() => cipherSpec(`${name}-${mode}`, keyBytes, 'x')).toThrow(AppError);
  });
});

describe('LUKS header, damaged', () => {
  function header(): Buffer {
    const bytes = Buffer.alloc(64 * 1024);
    bytes.write('LUKS\xba\xbe', 'latin1');
    bytes.writeUInt16BE(1, 6);
    bytes.write('aes', 8);
    bytes.write('xts-plain64', 40);
    bytes.write('sha256', 72);
    bytes.writeUInt32BE(64, 108);
    bytes.writeUInt32BE(1000, 164);
    bytes.writeUInt32BE(0x00ac71f3, 208);
    bytes.writeUInt32BE(1000, 212);
    bytes.writeUInt32BE(8, 248);
    bytes.writeUInt32BE(400, 252);
    return bytes;
  }
  const read = (bytes: Buffer) =>
    readLuksHeader(memorySource(bytes), { offset: 0, bytes: bytes.length }, undefined);

  it('whole, it is read', async () => {
    expect((await read(header())).slots).toMatchObject([{ offset: 4096, bytes: 25600, stripes: 400 }]);
  });

  it('any damage is refused or harmless', async () => {
    const random = randomNumbers(7);
    for (let i = 0; i < 2000; i++) {
      const bytes = header();
      for (let n = 0; n < 3; n++) bytes[Math.floor(random() * 592)] = Math.floor(random() * 256);
      try {
        for (const slot of (await read(bytes)).slots) {
          expect(slot.offset + slot.bytes).toBeLessThanOrEqual(bytes.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }
  });
});
