/** Damaged and malicious VMDK files: an AppError or success, never a hang, a RangeError or a large allocation. */
import { describe, expect, it } from 'vitest';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { entriesPerTable, headerStruct } from '../../src/codecs/vmdk/layout.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { contextOf, encoded, type Files, forwardSource, openFiles } from '../codecs/vmdk-images.ts';
import { randomNumbers, textBytes } from '../conformance/random.ts';

const content = Buffer.concat([textBytes(200 * KiB, 1), Buffer.alloc(512 * KiB), textBytes(100 * KiB, 2)]);

/** Opens and reads it all. @returns the error's kind, or `ok`. Anything but an AppError is thrown. */
async function outcome(files: Files): Promise<string> {
  try {
    const disk = await openFiles(files);
    try {
      const end = Math.min(disk.size, 2 * MiB);
      await disk.extents(0, end);
      await disk.read(Buffer.alloc(end), 0);
      await disk.read(Buffer.alloc(Math.min(disk.size, 512)), Math.max(0, disk.size - 512));
    } finally {
      await disk.close();
    }
    return 'ok';
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'bug') return error.kind;
    throw error;
  }
}

async function image(subformat: string): Promise<Buffer> {
  return (await encoded(content, { subformat })).get('a.vmdk')!;
}
const one = (bytes: Buffer): Files => new Map([['a.vmdk', bytes]]);
/** A copy with one change. */
function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

describe('cut short', () => {
  for (const subformat of ['monolithicSparse', 'streamOptimized', 'vmfs', 'twoGbMaxExtentSparse']) {
    it(`${subformat}: each file, at many places`, async () => {
      const files = await encoded(content, { subformat });
      for (const [name, bytes] of files) {
        const places = [0, 1, 3, 4, 100, 511, 512, 513, 1024, 5000, 10_752, 11_000, 20_000, 65_536, 70_000];
        for (const at of [...places, bytes.length - 513, bytes.length - 512, bytes.length - 1]) {
          if (at < 0 || at >= bytes.length) continue;
          await outcome(new Map([...files, [name, bytes.subarray(0, at)]]));
        }
      }
      // What is missing is noticed where it can be: a grain, a footer, a flat file's end.
      const [name, bytes] = [...files].at(-1)!;
      expect(await outcome(new Map([...files, [name, bytes.subarray(0, -66_000)]]))).toBe('corrupt');
    });
  }
});

describe('mutated', () => {
  it('each byte of the header, to several values', async () => {
    for (const subformat of ['monolithicSparse', 'streamOptimized']) {
      const bytes = await image(subformat);
      for (let at = 0; at < 80; at++) {
        for (const value of [0, 1, 0x7f, 0xff, bytes[at]! ^ 0x80]) {
          await outcome(one(changed(bytes, (copy) => copy.writeUInt8(value, at))));
        }
      }
    }
  }, 20_000);

  it('random bytes of descriptor and tables', async () => {
    const random = randomNumbers(4);
    const bytes = {
      monolithicSparse: await image('monolithicSparse'),
      streamOptimized: await image('streamOptimized'),
    };
    for (let i = 0; i < 150; i++) {
      const base = i % 2 ? bytes.monolithicSparse : bytes.streamOptimized;
      const mutated = changed(base, (copy) => {
        for (let n = 0; n < 8; n++) {
          const tail = Math.floor(random() * 6000);
          const head = 512 + Math.floor(random() * 20_000);
          copy.writeUInt8(Math.floor(random() * 256), random() < 0.5 ? head : copy.length - 1 - tail);
        }
      });
      await outcome(one(mutated));
    }
  }, 20_000);

  it('sizes that no file has', async () => {
    const bytes = await image('monolithicSparse');
    const fields = {
      capacity: 12,
      grainSize: 20,
      descriptorOffset: 28,
      descriptorSize: 36,
      rgdOffset: 48,
      gdOffset: 56,
      overHead: 64,
    };
    for (const at of Object.values(fields)) {
      for (const value of [
        0n,
        1n,
        3n,
        2n ** 31n,
        2n ** 32n,
        2n ** 44n,
        2n ** 53n,
        2n ** 63n,
        2n ** 64n - 1n,
      ]) {
        await outcome(one(changed(bytes, (copy) => copy.writeBigUInt64LE(value, at))));
      }
    }
  });
});

describe('lies', () => {
  const refused = (bytes: Buffer) => expect(outcome(one(bytes))).resolves.toBe('corrupt');

  it('a header copied as text', async () => {
    await refused(changed(await image('monolithicSparse'), (copy) => copy.writeUInt8(10, 75)));
  });

  it('unknown flags, versions, compression', async () => {
    const bytes = await image('monolithicSparse');
    for (const change of [
      (copy: Buffer) => copy.writeUInt32LE(0x40003, 8),
      (copy: Buffer) => copy.writeUInt32LE(4, 4),
      (copy: Buffer) => copy.writeUInt16LE(2, 77),
      (copy: Buffer) => copy.writeUInt32LE(1024, 44),
    ]) {
      expect(await outcome(one(changed(bytes, change)))).toBe('unsupported');
    }
  });

  it('a table or a grain past the end, or over the header', async () => {
    const bytes = await image('monolithicSparse');
    const { gdOffset } = headerStruct.decode(bytes);
    const directory = Number(gdOffset) * 512;
    const table = bytes.readUInt32LE(directory) * 512;
    for (const sector of [1, 5, bytes.length / 512, 0xffffffff]) {
      await refused(
        changed(bytes, (copy) => {
          copy.writeUInt32LE(sector, directory);
          copy.writeUInt32LE(1, 8); // no second directory
        }),
      );
      await refused(changed(bytes, (copy) => copy.writeUInt32LE(sector, table)));
    }
  });

  it('a compressed grain that says another size, another place, or inflates to something else', async () => {
    const bytes = await image('streamOptimized');
    const grain = 128 * 512;
    for (const size of [0, 1, 100, 0x7fffffff, 0xffffffff]) {
      await refused(changed(bytes, (copy) => copy.writeUInt32LE(size, grain + 8)));
    }
    await refused(changed(bytes, (copy) => copy.writeUInt32LE(128, grain)));
    await refused(changed(bytes, (copy) => copy.writeUInt8(copy[grain + 40]! ^ 0xff, grain + 40)));
    await refused(changed(bytes, (copy) => copy.writeUInt8(0, grain + 12)));
  });

  it('a bomb: a grain that inflates to far more than a grain', async () => {
    const { deflateSync } = await import('node:zlib');
    const bytes = await image('streamOptimized');
    const bomb = deflateSync(Buffer.alloc(8 * MiB));
    const grain = 128 * 512;
    await refused(
      changed(bytes, (copy) => {
        copy.writeUInt32LE(bomb.length, grain + 8);
        bomb.copy(copy, grain + 12);
      }),
    );
  });

  it('a footer of another disk', async () => {
    const bytes = await image('streamOptimized');
    const footer = bytes.length - 1024;
    await refused(changed(bytes, (copy) => copy.writeUInt32LE(entriesPerTable, footer + 12)));
    await refused(changed(bytes, (copy) => copy.fill(0xff, footer + 56, footer + 64)));
    await refused(changed(bytes, (copy) => copy.writeUInt32LE(1, bytes.length - 512 + 12)));
  });

  it('extent lines with impossible numbers, or none, or too many', async () => {
    const head = '# Disk DescriptorFile\nversion=1\n';
    for (const body of [
      '',
      'RW 99999999999999999999 FLAT "a" 0\n',
      'RW 8 FLAT "a-flat.vmdk" 99999999999999999999\n',
      'RW eight FLAT "a" 0\n',
      'RW 8 FLAT\n',
      'RW 8\n',
      'RW 8 FLAT "" 0\n',
      'RW 8796093022208 ZERO\n'.repeat(3),
      'RW 1 ZERO\n'.repeat(70_000),
      `RW 8 FLAT "${'x'.repeat(2 ** 20)}" 0\n`,
    ]) {
      expect(await outcome(one(Buffer.from(head + body))), body.slice(0, 60)).toBe('corrupt');
    }
  });

  it('a name that leads elsewhere is only asked for', async () => {
    const { context, asked } = contextOf(new Map());
    const text = '# Disk DescriptorFile\nRW 8 FLAT "../../etc/passwd" 0\n';
    await expect(vmdkCodec.open(memorySource(Buffer.from(text)), context)).rejects.toMatchObject({
      kind: 'not-found',
    });
    expect(asked).toEqual(['../../etc/passwd', 'passwd']);
  });
});

describe('streams', () => {
  it('markers that lie, walked forward', async () => {
    const bytes = await image('streamOptimized');
    const random = randomNumbers(9);
    for (let i = 0; i < 60; i++) {
      const mutated = changed(bytes, (copy) => {
        const at =
          i < 30 ? 128 * 512 + (i % 16) : 128 * 512 + Math.floor(random() * (copy.length - 128 * 512));
        copy.writeUInt8(Math.floor(random() * 256), at);
      });
      try {
        const disk = await vmdkCodec.open(forwardSource(mutated), contextOf(new Map()).context);
        await disk.read(Buffer.alloc(disk.size), 0);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        expect(['corrupt', 'unsupported']).toContain((error as AppError).kind);
      }
    }
  });
});
