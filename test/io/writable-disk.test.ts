import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBytes } from '../../src/io/byte-source.ts';
import type { Disk } from '../../src/io/disk.ts';
import { wholeExtent } from '../../src/io/extents.ts';
import { overlayFile } from '../../src/io/overlay-file.ts';
import { copyOnWrite, memoryStore, overlayBlock } from '../../src/io/writable-disk.ts';
import { tempFolder } from '../temp.ts';

const size = 5 * overlayBlock + 1536;

function below(): { disk: Disk; bytes: Buffer } {
  const bytes = randomBytes(size);
  const disk: Disk = {
    size,
    sectorSize: 512,
    read: async (target, offset) => void bytes.copy(target, 0, offset, offset + target.length),
    extents: async (from, to) => wholeExtent('data', from, to),
    close: async () => undefined,
  };
  return { disk, bytes };
}

const edit = fc.record({
  offset: fc.nat(size - 1),
  length: fc.nat(3 * overlayBlock),
  zero: fc.boolean(),
});

describe('a copy-on-write overlay', () => {
  it.each([
    ['in memory', async () => memoryStore(1 << 20)],
    ['in a file', async () => overlayFile(await tempFolder(), 'run-1')],
  ])('%s reads as what was written, over what lies below', async (_name, store) => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 12 }), async (edits) => {
        const { disk, bytes } = below();
        const original = Buffer.from(bytes);
        const expected = Buffer.from(bytes);
        const over = copyOnWrite(disk, await store());
        await Promise.all(
          edits.map(({ offset, length, zero }) => {
            const n = Math.min(length, size - offset);
            const data = zero ? Buffer.alloc(n) : randomBytes(n);
            data.copy(expected, offset);
            return zero ? over.zero(offset, n) : over.write(data, offset);
          }),
        );
        expect((await readBytes(over, 0, size)).equals(expected)).toBe(true);
        expect(bytes.equals(original)).toBe(true);
        let at = 0;
        for (const e of await over.extents(0, size)) {
          expect(e.offset).toBe(at);
          if (e.kind === 'zero')
            expect(expected.subarray(at, at + e.length).every((b) => b === 0)).toBe(true);
          at += e.length;
        }
        expect(at).toBe(size);
        await over.close();
      }),
      { numRuns: 40 },
    );
  });

  it('keeps zeros as extents, not as bytes', async () => {
    const { disk } = below();
    const over = copyOnWrite(disk, memoryStore(0));
    await over.zero(overlayBlock, 2 * overlayBlock);
    await over.zero(5 * overlayBlock, 1536);
    expect(over.writtenBytes).toBe(0);
    expect((await over.extents(0, size)).map((e) => [e.kind, e.length])).toEqual([
      ['data', overlayBlock],
      ['zero', 2 * overlayBlock],
      ['data', 2 * overlayBlock],
      ['zero', 1536],
    ]);
  });

  it('says when its memory is full, and refuses what lies outside', async () => {
    const over = copyOnWrite(below().disk, memoryStore(overlayBlock));
    await over.write(Buffer.alloc(10, 1), 0);
    await expect(over.write(Buffer.alloc(10, 1), overlayBlock)).rejects.toMatchObject({ kind: 'no-space' });
    await expect(over.write(Buffer.alloc(10), size - 5)).rejects.toThrow();
  });
});
