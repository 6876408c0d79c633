import { beforeAll, describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import {
  encodeEntry,
  guids,
  headerOffsets,
  locatorHeader,
  parseGuid,
  regionTableOffsets,
} from '../../src/codecs/vhdx/layout.ts';
import { type ByteSource, memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk, walkExtents } from '../../src/io/disk.ts';
import { AppError } from '../../src/model/errors.ts';
import { resolveOptions } from '../../src/model/options.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import {
  changeHeader,
  changeRegions,
  childFile,
  type Entry,
  logEntry,
  logLength,
  logOffset,
  metadataOffset,
  putLog,
  tableOffset,
} from '../codecs/vhdx-images.ts';
import { randomBytes, randomNumbers } from '../conformance/random.ts';

const nothing = async () => {
  throw new AppError('not-found', 'nothing');
};
const context: OpenContext = { sibling: nothing, parent: nothing };

/** A parent of zeros for the child that is mutated. */
const linkage = '{12341234-1234-4234-8234-123412341234}';
const withParent: OpenContext = {
  sibling: nothing,
  parent: async () => ({
    ...sourceDisk(memorySource(Buffer.alloc(3 * MiB))),
    info: {
      format: 'vhdx',
      details: { dataWriteGuid: linkage.slice(1, -1) },
      virtualSizeBytes: 3 * MiB,
      files: [],
      findings: [],
    },
  }),
};

async function encoded(given: Record<string, string | number> = {}): Promise<Buffer> {
  const content = Buffer.alloc(3 * MiB);
  randomBytes(100 * KiB, 1).copy(content, 64 * KiB);
  randomBytes(100 * KiB, 2).copy(content, 2 * MiB + 512 * KiB);
  const { encoder } = vhdxCodec;
  const options = resolveOptions(encoder!.options, given);
  const [file] = await encoder!.encode(sourceDisk(memorySource(content)), 'a.vhdx', options);
  const out = Buffer.alloc(8 * MiB);
  let end = file!.size ?? 0;
  for await (const { offset, bytes } of file!.chunks()) {
    out.set(bytes, offset);
    end = Math.max(end, offset + bytes.length);
  }
  return out.subarray(0, end);
}

const child = (): Buffer =>
  childFile({
    size: 3 * MiB,
    blockSize: MiB,
    sectorSize: 512,
    blocks: new Map([
      [1, { state: 'partiallyPresent', bytes: randomBytes(MiB, 5), sectors: [true, false, true] }],
      [2, { state: 'fullyPresent', bytes: randomBytes(MiB, 6) }],
    ]),
    locator: { parent_linkage: linkage, relative_path: '.\\base.vhdx' },
  });

/** Opens it and reads some of it; anything but an AppError or success is a failure. */
async function survives(source: ByteSource): Promise<void> {
  await vhdxCodec.probe(source);
  try {
    const image = await vhdxCodec.open(source, withParent);
    let spans = 0;
    const target = Buffer.alloc(64 * KiB);
    for await (const e of walkExtents(image, 0, Math.min(image.size, 64 * MiB))) {
      if (++spans > 100) break;
      await image.read(target.subarray(0, Math.min(e.length, target.length)), e.offset);
    }
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).kind).not.toBe('bug');
  }
}

describe('hostile vhdx', () => {
  let good: Buffer;
  beforeAll(async () => {
    good = await encoded();
  });
  const kinds: [string, () => Promise<Buffer>][] = [
    ['dynamic', () => encoded()],
    ['fixed', () => encoded({ subformat: 'fixed' })],
    ['differencing', async () => child()],
    [
      'with a log',
      async () => {
        const bytes = await encoded();
        const sector = Buffer.from(bytes.subarray(tableOffset, tableOffset + 4096));
        putLog(bytes, [
          { sequence: 1, writes: [{ at: tableOffset, zeros: 4096 }] },
          { sequence: 2, writes: [{ at: tableOffset, bytes: sector }] },
        ]);
        return bytes;
      },
    ],
  ];
  /** Where the structures are: [start, length]. */
  const places: [number, number][] = [
    [headerOffsets[1], 80],
    [regionTableOffsets[0], 80],
    [metadataOffset, 32 + 6 * 32],
    [metadataOffset + 64 * KiB, 300],
    [tableOffset, 24],
    [tableOffset + 4096 * 8, 8],
    [logOffset, 160],
    [logOffset + 4096, 160],
  ];

  for (const [name, make] of kinds) {
    it(`${name}: mutations with their checksums put right`, async () => {
      const bytes = await make();
      const source = memorySource(bytes, 'a.vhdx');
      const random = randomNumbers(21);
      const values = [0, 1, 0x7f, 0x80, 0xff];
      for (let i = 0; i < 250; i++) {
        const before: [number, number][] = [];
        for (let j = 0; j <= i % 3; j++) {
          const [start, length] = places[Math.floor(random() * places.length)]!;
          const at = start + Math.floor(random() * length);
          before.push([at, bytes[at]!]);
          bytes[at] = values[Math.floor(random() * values.length)]!;
        }
        changeHeader(bytes, () => undefined);
        // Both tables say the same, as an attacker would have it.
        bytes.copyWithin(regionTableOffsets[1], regionTableOffsets[0], regionTableOffsets[0] + 64 * KiB);
        changeRegions(bytes, () => undefined);
        await survives(source);
        for (const [at, value] of before.reverse()) bytes[at] = value;
      }
    });

    it(`${name}: cuts`, async () => {
      const bytes = await make();
      const random = randomNumbers(22);
      const lengths = [
        0,
        1,
        7,
        8,
        65535,
        MiB - 1,
        MiB,
        2 * MiB,
        tableOffset,
        tableOffset + 8,
        bytes.length - 1,
      ];
      for (let i = 0; i < 20; i++) lengths.push(Math.floor(random() * bytes.length));
      for (const length of lengths) await survives(memorySource(bytes.subarray(0, length)));
    });
  }

  const entry = (block: number, state: number, offset: number) => (b: Buffer) =>
    encodeEntry(b, tableOffset + block * 8, { state, offset });
  const metadata = (at: number, value: number) => (b: Buffer) =>
    void b.writeUInt32LE(value, metadataOffset + at);
  const items = 64 * KiB;
  const region = (at: number, value: number) => (b: Buffer) =>
    changeRegions(b, (table) => table.writeUInt32LE(value, at));
  const log =
    (...entries: Entry[]) =>
    (b: Buffer) =>
      putLog(b, entries);
  const ones = Buffer.alloc(4096, 1);

  const refused: [string, (bytes: Buffer) => void, string][] = [
    ['no mark', (b) => b.fill(0, 0, 8), 'corrupt'],
    ['two damaged headers', (b) => headerOffsets.map((at) => b.fill(1, at + 90, at + 91)), 'corrupt'],
    ['another version', (b) => changeHeader(b, (h) => h.writeUInt16LE(2, 66)), 'unsupported'],
    [
      'two different headers of one number',
      (b) => {
        let i = 0;
        changeHeader(b, (h) => {
          h.writeBigUInt64LE(5n, 8);
          h[20] = i++;
        });
      },
      'corrupt',
    ],
    [
      'two damaged region tables',
      (b) => regionTableOffsets.map((at) => b.fill(1, at + 90, at + 91)),
      'corrupt',
    ],
    ['a region count of millions', region(8, 0x7fff_ffff), 'corrupt'],
    ['a required region that is not known', region(16, 0x1234), 'unsupported'],
    ['no table region', (b) => changeRegions(b, (t) => [t.fill(7, 16, 32), t.fill(0, 44, 48)]), 'corrupt'],
    ['a region past the end', region(36, 1), 'corrupt'],
    ['a region on the headers', region(32, 0), 'corrupt'],
    ['a region that is not aligned', region(32, tableOffset + 4096), 'corrupt'],
    ['two regions at one place', region(64, tableOffset), 'corrupt'],
    ['a region twice', (b) => changeRegions(b, (t) => t.copy(t, 48, 16, 32)), 'corrupt'],
    [
      'two region tables that differ',
      (b) => {
        let i = 0;
        changeRegions(b, (t) => t.writeUInt32LE(tableOffset - i++ * 2 * MiB, 32));
      },
      'corrupt',
    ],
    ['no metadata', metadata(0, 0), 'corrupt'],
    ['a metadata count of 65535', metadata(8, 0xffff_0000), 'corrupt'],
    ['required metadata that is not known', metadata(32, 99), 'unsupported'],
    ['required metadata of a user', metadata(32 + 24, 5), 'unsupported'],
    ['an item past its region', metadata(32 + 16, MiB - 4), 'corrupt'],
    ['an item in the table', metadata(32 + 16, 32), 'corrupt'],
    ['an item of gigabytes', metadata(32 + 20, 0xffff_0000), 'corrupt'],
    [
      'an item twice',
      (b) => b.copy(b, metadataOffset + 64, metadataOffset + 32, metadataOffset + 48),
      'corrupt',
    ],
    ['a block of 3 MiB', metadata(items, 3 * MiB), 'corrupt'],
    ['a block of nothing', metadata(items, 0), 'corrupt'],
    ['a block of 512 MiB', metadata(items, 512 * MiB), 'corrupt'],
    ['an unknown flag', metadata(items + 4, 4), 'unsupported'],
    ['a parent that nothing is said of', metadata(items + 4, 2), 'corrupt'],
    ['half a sector', metadata(items + 8, 3 * MiB - 256), 'corrupt'],
    ['a size past 64 TiB', metadata(items + 12, 0x4001), 'corrupt'],
    ['a size past 2^53', metadata(items + 12, 0xffff_ffff), 'corrupt'],
    ['a size that the table has no entries for', metadata(items + 12, 0x1000), 'corrupt'],
    ['a sector of 1024', metadata(items + 32, 1024), 'corrupt'],
    ['a block past the end', entry(0, 6, 100 * MiB), 'corrupt'],
    ['a block past 2^63', entry(0, 6, (2 ** 44 - 1) * MiB), 'corrupt'],
    ['a block on the headers', entry(0, 6, 0), 'corrupt'],
    ['a block on the log', entry(0, 6, MiB), 'corrupt'],
    ['a block on its table', entry(0, 6, tableOffset), 'corrupt'],
    ['two blocks at one place', entry(1, 6, 4 * MiB), 'corrupt'],
    ['a reserved state', entry(1, 5, 0), 'unsupported'],
    ['a block partially present without a parent', entry(0, 7, 4 * MiB), 'corrupt'],
    [
      'a log version',
      (b) => [log({ sequence: 1, writes: [] })(b), changeHeader(b, (h) => h.writeUInt16LE(1, 64))],
      'unsupported',
    ],
    [
      'a log outside the file',
      (b) => [log({ sequence: 1, writes: [] })(b), changeHeader(b, (h) => h.writeBigUInt64LE(1n << 40n, 72))],
      'corrupt',
    ],
    [
      'a log with nothing but a torn entry',
      log({ sequence: 1, writes: [], damage: (e) => e.fill(1, 70) }),
      'corrupt',
    ],
    ['a log whose tail is gone', log({ sequence: 5, tail: 65536, writes: [] }), 'corrupt'],
    [
      'a log of a longer file',
      log({ sequence: 1, flushed: 2 ** 33, writes: [{ at: tableOffset, zeros: 4096 }] }),
      'corrupt',
    ],
    [
      'a log of a file of petabytes',
      log({ sequence: 1, last: 2 ** 52, writes: [{ at: tableOffset, zeros: 4096 }] }),
      'corrupt',
    ],
    [
      'a log that writes past the end',
      log({ sequence: 1, writes: [{ at: 2 ** 40, bytes: ones }] }),
      'corrupt',
    ],
    [
      'a log that writes to the headers',
      log({ sequence: 1, writes: [{ at: 64 * KiB, bytes: ones }] }),
      'corrupt',
    ],
    [
      'a log that zeros up to 2^60',
      log({ sequence: 1, writes: [{ at: tableOffset, zeros: 2 ** 60 }] }),
      'corrupt',
    ],
  ];
  it.each(refused)('refuses %s', async (_name, change, kind) => {
    const bytes = Buffer.from(good);
    change(bytes);
    await expect(vhdxCodec.open(memorySource(bytes), context)).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });

  it('a log of entries within entries ends soon', async () => {
    const bytes = Buffer.from(good);
    // Each sector claims the whole ring, and would be summed up over all of it.
    for (let at = 0; at < logLength; at += 4096) {
      const one = logEntry({ sequence: 1, writes: [] }, 0, bytes.length);
      one.writeUInt32LE(logLength, 8);
      one.copy(bytes, logOffset + at);
    }
    changeHeader(bytes, (h) => bytes.copy(h, 48, logOffset + 32, logOffset + 48));
    await expect(vhdxCodec.open(memorySource(bytes), context)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('a log of zeros over data ends soon', async () => {
    const bytes = Buffer.from(good);
    const data = Array.from({ length: 100 }, (_, i) => ({ at: tableOffset + i * 4096, bytes: ones }));
    const zeros = Array.from({ length: 17_000 }, () => ({ at: tableOffset, zeros: MiB }));
    putLog(bytes, [{ sequence: 1, writes: [...data, ...zeros] }]);
    await survives(memorySource(bytes));
  });

  const children: [string, (bytes: Buffer) => void, string][] = [
    ['a bitmap that is not there', (b) => b.fill(0, tableOffset + 4096 * 8, tableOffset + 4097 * 8), 'read'],
    [
      'a bitmap past the end',
      (b) => encodeEntry(b, tableOffset + 4096 * 8, { state: 6, offset: 2 ** 40 }),
      'corrupt',
    ],
    [
      'a bitmap on a block',
      (b) => encodeEntry(b, tableOffset + 4096 * 8, { state: 6, offset: 5 * MiB }),
      'corrupt',
    ],
    [
      'a bitmap of an unknown state',
      (b) => encodeEntry(b, tableOffset + 4096 * 8, { state: 3, offset: 0 }),
      'corrupt',
    ],
    ['another kind of locator', (b) => b.fill(1, locator(b), locator(b) + 16), 'unsupported'],
    ['a locator of 65535 pairs', (b) => b.writeUInt16LE(0xffff, locator(b) + 18), 'corrupt'],
    [
      'a name outside the locator',
      (b) => b.writeUInt32LE(0xffff_fff0, locator(b) + locatorHeader.bytes),
      'corrupt',
    ],
    ['no linkage', (b) => b.writeUInt16LE(0, locator(b) + 18), 'corrupt'],
  ];
  const locator = (b: Buffer) => b.indexOf(Buffer.from(parseGuid(guids.parentLocatorVhdx)), metadataOffset);
  it.each(children)('differencing: refuses %s', async (_name, change, kind) => {
    const bytes = child();
    change(bytes);
    const opening = vhdxCodec.open(memorySource(bytes), withParent);
    if (kind === 'read') {
      const image = await opening;
      await expect(image.read(Buffer.alloc(10), MiB + 5)).rejects.toMatchObject({ kind: 'corrupt' });
    } else await expect(opening).rejects.toMatchObject({ name: 'AppError', kind });
  });

  it('a huge disk in a small file costs nothing', async () => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32LE(256 * MiB, metadataOffset + items);
    // 16 TiB: 65,536 entries of blocks that are not there.
    bytes.fill(0, tableOffset, tableOffset + 64);
    bytes.writeUInt32LE(0x1000, metadataOffset + items + 12);
    const image = await vhdxCodec.open(memorySource(bytes), context);
    expect(await image.extents(0, image.size)).toMatchObject([{ kind: 'zero', length: image.size }]);
  });
});
