import { expect, it } from 'vitest';
import { striped } from '../../../src/guest/volumes/striped.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import type { Disk } from '../../../src/io/disk.ts';
import { ExtentList } from '../../../src/io/extents.ts';
import { randomNumbers } from '../../conformance/random.ts';

const unit = 16;
const stripe = 4 * unit;

/** A leg whose sectors are data or zeros by chance. */
function leg(units: number, random: () => number): { disk: Disk; bytes: Buffer; isData: boolean[] } {
  const isData = Array.from({ length: units }, () => random() < 0.6);
  const bytes = Buffer.concat(
    isData.map((data) => Buffer.alloc(unit, data ? 1 + Math.floor(random() * 255) : 0)),
  );
  const disk: Disk = {
    size: bytes.length,
    sectorSize: 512,
    read: async (target, offset) => void target.set(bytes.subarray(offset, offset + target.length)),
    async extents(from, to) {
      const out = new ExtentList(from);
      for (let at = from; at < to; ) {
        const until = Math.min(to, (Math.floor(at / unit) + 1) * unit);
        out.push(isData[Math.floor(at / unit)] ? 'data' : 'zero', until - at);
        at = until;
      }
      return out.list;
    },
    close: async () => undefined,
  };
  return { disk, bytes, isData };
}

it('bytes and extents are those of the legs in turn, for ranges of all kinds', async () => {
  const random = randomNumbers(2);
  for (const count of [2, 3, 5]) {
    const rows = 6;
    const legs = Array.from({ length: count }, () => leg((rows * stripe) / unit, random));
    const size = rows * count * stripe;
    const disk = striped(
      legs.map((l) => l.disk),
      stripe,
      size,
    );
    const place = (at: number) => {
      const n = Math.floor(at / stripe);
      return { ...legs[n % count]!, at: Math.floor(n / count) * stripe + (at % stripe) };
    };
    const expected = Buffer.from(
      Array.from({ length: size }, (_, at) => {
        const { bytes, at: inner } = place(at);
        return bytes[inner]!;
      }),
    );
    for (let i = 0; i < 60; i++) {
      const from = Math.floor(random() * size);
      const to = i === 0 ? from : from + Math.floor(random() * (size - from + 1));
      expect((await readBytes(disk, from, to - from)).equals(expected.subarray(from, to))).toBe(true);
      const law = new ExtentList(from);
      for (let at = from; at < to; at++) {
        const { isData, at: inner } = place(at);
        law.push(isData[Math.floor(inner / unit)] ? 'data' : 'zero', 1);
      }
      expect(await disk.extents(from, to)).toEqual(law.list);
    }
  }
});
