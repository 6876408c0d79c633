/** The checksums of a DMG's block tables. */
import { crc32 } from '@node-rs/crc32';
import { expect, it } from 'vitest';
import { checkDmg, crc32OfZeros } from '../../src/codecs/dmg/check.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { randomBytes, textBytes } from '../conformance/random.ts';
import { dmgImage } from './dmg-images.ts';

const content = Buffer.concat([textBytes(300_032, 1), Buffer.alloc(800_256), randomBytes(70_144, 2)]);
const context = {
  async sibling(): Promise<never> {
    throw new Error('not asked for');
  },
  async parent(): Promise<never> {
    throw new Error('not asked for');
  },
};

it('zeros at the end of a checksum', () => {
  for (const length of [0, 1, 2, 7, 512, 100_003]) {
    const start = textBytes(99, 3);
    const whole = crc32(Buffer.concat([start, Buffer.alloc(length)]));
    expect(crc32OfZeros(crc32(start), length)).toBe(whole);
  }
  expect(crc32OfZeros(1, 2 ** 52)).toBeGreaterThanOrEqual(0);
});

it('agree with the data, and what was changed is told when the data are read', async () => {
  for (const methods of [['raw'], ['zlib', 'adc', 'lzfse', 'raw']] as const) {
    const image = dmgImage(content, { methods, splits: [100, 900] });
    const source = memorySource(image);
    for (const deep of [false, true])
      expect(await checkDmg(source, { ...context, deep })).toMatchObject({
        errorCount: 0,
        facts: { 'block-tables': 3 },
      });
  }
  const image = dmgImage(content, { methods: ['raw'], splits: [100, 900] });
  image[10]! ^= 1;
  const found = await checkDmg(memorySource(image), { ...context, deep: true });
  expect(found).toMatchObject({ errorCount: 1, errors: [{ rule: 'dmg.checksum' }] });
  expect((await checkDmg(memorySource(image), context)).errorCount).toBe(0);
});
