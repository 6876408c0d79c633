/** ESXi's snapshot extents (COWD, seSparse), crafted, with QEMU as the judge of what they hold. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { openFile, writeRaw } from '../conformance/images.ts';
import { textBytes } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { cowdExtent, deltaDescriptor, seSparseExtent, someGrains, withGrains } from './vmdk-delta-images.ts';

const size = 37 * MiB + 11 * 512;
const below = textBytes(size, 1);
const above = textBytes(size, 2);

const kinds = [
  { type: 'vmfsSparse', suffix: 'delta', grain: 512, extent: cowdExtent },
  { type: 'vmfsSparse', suffix: 'delta', grain: 8 * KiB, extent: cowdExtent },
  { type: 'seSparse', suffix: 'sesparse', grain: 4 * KiB, extent: seSparseExtent },
] as const;

describeWith(['qemu-img'], 'snapshots of ESXi, crafted', () => {
  for (const { type, suffix, grain, extent } of kinds) {
    // QEMU takes a capacity that is no multiple of the grain otherwise.
    const bytes = Math.floor(size / grain) * grain;
    const grains = someGrains(above.subarray(0, bytes), grain, grain, type === 'seSparse');

    for (const alone of [true, false]) {
      it(`${type}, grains of ${grain}, ${alone ? 'alone' : 'over a flat disk'}`, async () => {
        const folder = await tempFolder();
        const base = alone ? Buffer.alloc(bytes) : below.subarray(0, bytes);
        if (!alone) {
          await writeRaw(join(folder, 'vm-flat.vmdk'), base);
          await writeFile(
            join(folder, 'vm.vmdk'),
            `# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW ${bytes / 512} FLAT "vm-flat.vmdk" 0\n`,
          );
        }
        const name = `vm-000001-${suffix}.vmdk`;
        await writeFile(join(folder, name), extent(bytes / 512, grains, grain / 512));
        const image = join(folder, 'vm-000001.vmdk');
        const parent = alone ? undefined : { file: 'vm.vmdk', cid: '12345678' };
        await writeFile(image, deltaDescriptor(type, bytes / 512, name, parent));
        const expected = await writeRaw(join(folder, 'expected.raw'), withGrains(base, grains, grain));
        await qemuImg('compare', '-f', 'vmdk', '-F', 'raw', image, expected);
        await checkSample(vmdkCodec, { image, expected });
        const disk = await openFile(vmdkCodec, image);
        expect(disk.info).toMatchObject({ variant: type, findings: [] });
        await disk.close();
      });
    }
  }
});
