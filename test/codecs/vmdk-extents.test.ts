/** Extents beside the descriptor: many of them, damaged ones, and those of snapshots. */
import { describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { headerStruct } from '../../src/codecs/vmdk/layout.ts';
import { memorySource, readBytes } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { randomNumbers, textBytes } from '../conformance/random.ts';
import { cowdExtent, deltaDescriptor, seSparseExtent, someGrains } from './vmdk-delta-images.ts';
import { encoded, type Files, openFiles } from './vmdk-images.ts';

describe('a disk of more files than may be open', () => {
  const count = 300;
  const piece = 8 * KiB;
  const content = textBytes(count * piece, 1);
  const text = `# Disk DescriptorFile\n${Array.from({ length: count }, (_, i) => `RW 16 FLAT "f${i}" 0\n`).join('')}`;

  /** Counts what is open at once. */
  function counting() {
    const counts = { open: 0, most: 0, opened: 0 };
    const context: OpenContext = {
      async sibling(name) {
        const index = Number(name.slice(1));
        const source = memorySource(content.subarray(index * piece, (index + 1) * piece), name);
        counts.open++;
        counts.opened++;
        counts.most = Math.max(counts.most, counts.open);
        let closed = false;
        return {
          ...source,
          async read(target, offset) {
            await new Promise((resolve) => setImmediate(resolve));
            if (closed) throw new AppError('bug', 'read after close');
            await source.read(target, offset);
          },
          async close() {
            if (!closed) counts.open--;
            closed = true;
          },
        };
      },
      async parent(name) {
        throw new AppError('not-found', name);
      },
    };
    return { counts, context };
  }

  it('holds a few open, and gives the right bytes', async () => {
    const { counts, context } = counting();
    const disk = await vmdkCodec.open(memorySource(Buffer.from(text), 'd.vmdk'), context);
    expect(counts).toMatchObject({ open: 64, opened: count });
    expect(disk.info.files).toHaveLength(count + 1);
    const random = randomNumbers(3);
    const reads = Array.from({ length: 60 }, async () => {
      const at = Math.floor(random() * (content.length - 40_000));
      const bytes = await readBytes(disk, at, 40_000);
      expect(bytes.equals(content.subarray(at, at + 40_000))).toBe(true);
    });
    await Promise.all(reads);
    expect(counts.open).toBeLessThanOrEqual(64);
    expect(counts.most).toBeLessThanOrEqual(count);
    expect((await readBytes(disk, 0, disk.size)).equals(content)).toBe(true);
    await disk.close();
    expect(counts.open).toBe(0);
  });

  it('closes all when one is missing', async () => {
    const { counts, context } = counting();
    const missing: OpenContext = {
      ...context,
      sibling: async (name) => {
        if (name === 'f200') throw new AppError('not-found', name);
        return context.sibling(name);
      },
    };
    const opening = vmdkCodec.open(memorySource(Buffer.from(text), 'd.vmdk'), missing);
    await expect(opening).rejects.toMatchObject({ kind: 'not-found' });
    expect(counts.open).toBe(0);
  });
});

describe('the redundant grain directory', () => {
  const content = textBytes(3 * MiB, 5);

  it('serves where the first is damaged, and that is told', async () => {
    const bytes = (await encoded(content, { subformat: 'monolithicSparse' })).get('a.vmdk')!;
    const directory = Number(headerStruct.decode(bytes).gdOffset) * 512;
    for (const damage of [
      (copy: Buffer) => copy.writeUInt32LE(0xfffffff0, directory),
      (copy: Buffer) => copy.writeUInt32LE(1, directory),
      (copy: Buffer) => copy.writeUInt32LE(0x7fffffff, 56),
      (copy: Buffer) => copy.writeUInt32LE(0, 56),
    ]) {
      const copy = Buffer.from(bytes);
      damage(copy);
      const disk = await openFiles(new Map([['a.vmdk', copy]]));
      expect(disk.info.findings).toMatchObject([{ rule: 'vmdk.redundant-directory', severity: 'warning' }]);
      expect((await readBytes(disk, 0, disk.size)).equals(content)).toBe(true);
      await disk.close();
      const second = Number(headerStruct.decode(bytes).rgdOffset) * 512;
      copy.writeUInt32LE(0xfffffff0, second);
      await expect(openFiles(new Map([['a.vmdk', copy]]))).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });
});

describe('snapshots of ESXi', () => {
  const size = 4 * MiB;
  const content = textBytes(size, 2);
  const kinds = {
    vmfsSparse: cowdExtent(size / 512, someGrains(content, 512, 1, false)),
    seSparse: seSparseExtent(size / 512, someGrains(content, 4096, 1, true)),
  };
  const files = (type: keyof typeof kinds, extent: Buffer): Files =>
    new Map([
      ['a.vmdk', Buffer.from(deltaDescriptor(type, size / 512, 'a-x.vmdk'))],
      ['a-x.vmdk', extent],
    ]);

  for (const type of ['vmfsSparse', 'seSparse'] as const) {
    const good = kinds[type];

    it(`${type}: the extent alone is not a disk`, async () => {
      expect(await vmdkCodec.probe(memorySource(good))).toBe('yes');
      await expect(openFiles(files(type, good), 'a-x.vmdk')).rejects.toMatchObject({ kind: 'unsupported' });
    });

    it(`${type}: cut short or changed, it is refused or read`, async () => {
      const random = randomNumbers(8);
      const outcomes = new Set<string>();
      const tables = type === 'vmfsSparse' ? [0, 40_000] : [4096 * 512, 4096 * 512 + 80_000];
      for (let i = 0; i < 400; i++) {
        const copy = Buffer.from(good);
        const [from, to] = i < 200 ? [0, type === 'vmfsSparse' ? 32 : 1024] : (tables as [number, number]);
        const at = from + Math.floor(random() * (to - from));
        copy.writeUInt8([0, 1, 0xff, copy[at]! ^ 0x80][i % 4]!, at);
        const bytes = i % 10 === 9 ? copy.subarray(0, Math.floor(random() * copy.length)) : copy;
        try {
          const disk = await openFiles(files(type, bytes));
          await disk.read(Buffer.alloc(size), 0);
          await disk.close();
          outcomes.add('read');
        } catch (error) {
          if (!(error instanceof AppError) || error.kind === 'bug') throw error;
          outcomes.add(error.kind);
        }
      }
      expect([...outcomes]).toContain('corrupt');
      expect([...outcomes]).toContain('read');
    });
  }

  it('a journal that was not replayed', async () => {
    const copy = Buffer.from(kinds.seSparse);
    copy.writeUInt8(1, 512 + 24);
    const opening = openFiles(files('seSparse', copy));
    await expect(opening).rejects.toMatchObject({ kind: 'unsupported', message: /journal/ });
  });

  it('closed properly or not', async () => {
    const copy = Buffer.from(kinds.vmfsSparse);
    copy.writeUInt8(1, 1648);
    const disk = await openFiles(files('vmfsSparse', copy));
    expect(disk.info.findings).toMatchObject([{ rule: 'vmdk.unclean-shutdown' }]);
    await disk.close();
  });
});
