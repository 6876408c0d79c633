import { describe, expect, it } from 'vitest';
import { unpackLzo } from '../../../src/guest/filesystems/btrfs/lzo.ts';
import { isPathPart, nameBytes, nameOf } from '../../../src/guest/filesystems/names.ts';
import { unpackLznt1 } from '../../../src/guest/filesystems/ntfs/lznt1.ts';
import { AppError } from '../../../src/model/errors.ts';
import { randomBytes } from '../../conformance/random.ts';

describe('names', () => {
  it.each(['plain', 'Ümläut ☃ 𝄞', '\ufffd', 'line\nfeed'])('keeps %j as it is', (name) => {
    expect(nameOf(Buffer.from(name))).toBe(name);
    expect(nameBytes(name)).toEqual(Buffer.from(name));
  });

  it('loses no byte of what is no UTF-8', () => {
    for (let seed = 0; seed < 200; seed++) {
      const bytes = randomBytes(1 + (seed % 60), seed);
      expect(nameBytes(nameOf(bytes)).equals(bytes), `seed ${seed}`).toBe(true);
    }
    expect(nameOf(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\udcffb');
  });

  it.each(['', '.', '..', 'a/b', 'a\0b'])('%j is no part of a path', (name) => {
    expect(isPathPart(name)).toBe(false);
  });
});

describe('packed bytes of nobody', () => {
  it.each([
    ['LZO', unpackLzo],
    ['LZNT1', unpackLznt1],
  ])('%s gives something or an AppError', (_name, unpack) => {
    const out = Buffer.alloc(4096);
    for (let seed = 0; seed < 500; seed++) {
      try {
        unpack(randomBytes(1 + (seed % 300), seed), out);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }
  });
});
