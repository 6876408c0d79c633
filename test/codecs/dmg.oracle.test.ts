/** DMG: crafted images of every kind of chunk, with 7-Zip and, for what it knows, QEMU as judges. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { dmgCodec } from '../../src/codecs/dmg/index.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { openFile, writeRaw } from '../conformance/images.ts';
import { randomBytes, textBytes } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { dmgImage, type Method } from './dmg-images.ts';

const run = promisify(execFile);
const content = Buffer.concat([
  textBytes(2 * MiB, 1),
  Buffer.alloc(3 * MiB),
  randomBytes(600 * KiB, 2),
  Buffer.alloc(100 * KiB, 'a'),
  textBytes(900 * KiB + 512, 3),
]);
const splits = [1, 4099, 10_000];

const cases: { methods: Method[]; qemu: boolean; chunkSectors?: number }[] = [
  { methods: ['raw'], qemu: true },
  { methods: ['zlib'], qemu: true },
  { methods: ['zlib', 'raw'], qemu: true, chunkSectors: 77 },
  { methods: ['bzip2'], qemu: false },
  { methods: ['adc'], qemu: false },
  { methods: ['lzma'], qemu: false, chunkSectors: 2048 },
  { methods: ['lzfse'], qemu: false },
  { methods: ['raw', 'zlib', 'bzip2', 'adc', 'lzma', 'lzfse'], qemu: false },
];

describeWith(['7zz', 'qemu-img', 'bzip2', 'xz'], 'crafted DMG', () => {
  for (const { methods, qemu, chunkSectors } of cases) {
    it(`${methods.join(', ')}${chunkSectors === undefined ? '' : `, chunks of ${chunkSectors}`}`, async () => {
      const folder = await tempFolder();
      const expected = await writeRaw(join(folder, 'a.raw'), content);
      for (const options of [{}, { splits }, { splits, before: 4096 }]) {
        const image = join(folder, `a${options.splits?.length ?? 0}-${options.before ?? 0}.dmg`);
        const size = chunkSectors === undefined ? {} : { chunkSectors };
        await writeFile(image, dmgImage(content, { methods, ...size, ...options }));
        if (qemu) await qemuImg('compare', '-f', 'dmg', '-F', 'raw', image, expected);
        const whole = await run('7zz', ['x', '-so', '-tdmg', image], {
          encoding: 'buffer',
          maxBuffer: 64 * MiB,
        });
        expect(whole.stdout.equals(content)).toBe(true);
        await checkSample(dmgCodec, { image, expected });
      }
      const disk = await openFile(dmgCodec, join(folder, 'a0-0.dmg'));
      expect(disk.info.findings).toEqual([]);
      await disk.close();
    });
  }
});
