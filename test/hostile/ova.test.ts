import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import { readTarIndex } from '../../src/packages/ovf/tar.ts';
import { encodeTarHeader } from '../../src/packages/ovf/tar-header.ts';
import { randomNumbers } from '../conformance/random.ts';

const good = Buffer.concat([
  encodeTarHeader('a.ovf', 700, 0),
  Buffer.alloc(1024, 0x20),
  encodeTarHeader('disk.vmdk', 3000, 0),
  Buffer.alloc(3072, 1),
  Buffer.alloc(1024),
]);

/** Puts the checksum right again, so that a mutation gets past it. */
function reseal(bytes: Buffer, at: number): void {
  bytes.fill(0x20, at + 148, at + 156);
  const sum = bytes.subarray(at, at + 512).reduce((a, b) => a + b, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
}

describe('hostile archives', () => {
  it('gives an AppError or an index within the file for every mutation and every cut', async () => {
    const random = randomNumbers(9);
    for (let i = 0; i < 1500; i++) {
      const bad = Buffer.from(good);
      const header = random() < 0.5 ? 0 : 512 + 1024;
      const span = random() < 0.5 ? [100, 160] : [0, 512];
      for (let j = 0; j <= i % 3; j++) {
        bad[header + span[0]! + Math.floor(random() * (span[1]! - span[0]!))] = Math.floor(random() * 256);
      }
      reseal(bad, header);
      const bytes = i % 4 === 0 ? bad.subarray(0, Math.floor(random() * bad.length)) : bad;
      try {
        const { members } = await readTarIndex(memorySource(bytes, 'x.ova'));
        for (const m of members) {
          expect(Number.isSafeInteger(m.size) && m.offset + m.size <= bytes.length).toBe(true);
          expect(m.name).not.toMatch(/^\/|\.\.\//);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }
  });
});
