/** LZFSE: every kind of block, damaged at every place. */
import { expect, it } from 'vitest';
import { unlzfse } from '../../src/codecs/dmg/lzfse.ts';
import { AppError } from '../../src/model/errors.ts';
import { randomBytes, randomNumbers, textBytes } from '../conformance/random.ts';
import { type LzfseBlock, lzfseStream } from './lzfse-streams.ts';

const content = Buffer.concat([
  textBytes(60_000, 1),
  Buffer.alloc(30_000),
  randomBytes(9000, 2),
  Buffer.alloc(20_000, 'ab'),
  textBytes(31_003, 1),
]);
const mixes: LzfseBlock[][] = [['plain'], ['lzvn'], ['fse'], ['fse', 'lzvn', 'plain']];

for (const kinds of mixes) {
  it(`${kinds.join(', ')}: what was packed`, () => {
    for (const bytes of [content, content.subarray(0, 5), randomBytes(3000, 4), Buffer.alloc(0)]) {
      const stream = lzfseStream(bytes, kinds, 17_000);
      expect(unlzfse(stream, bytes.length, 'here').equals(bytes)).toBe(true);
    }
  });

  it(`${kinds.join(', ')}: cut and changed`, () => {
    const bytes = content.subarray(55_000, 65_000);
    const stream = lzfseStream(bytes, kinds, 4000);
    const outcome = (packed: Buffer) => {
      try {
        return unlzfse(packed, bytes.length, 'here').length;
      } catch (error) {
        return error instanceof AppError ? error.kind : `${error}`;
      }
    };
    for (let at = 0; at < stream.length; at += 7) expect(outcome(stream.subarray(0, at))).toBe('corrupt');
    const random = randomNumbers(5);
    for (let i = 0; i < 1500; i++) {
      const copy = Buffer.from(stream);
      copy[Math.floor(random() * (i % 2 === 0 ? copy.length : 300))] = Math.floor(random() * 256);
      expect(['corrupt', 'unsupported', bytes.length]).toContain(outcome(copy));
    }
    expect(() => unlzfse(stream, bytes.length + 1, 'here')).toThrow(AppError);
  });
}
