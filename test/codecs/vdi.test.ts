import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vdiCodec } from '../../src/codecs/vdi/index.ts';
import { header } from '../../src/codecs/vdi/layout.ts';
import { openImage } from '../../src/convert/open-image.ts';
import { openImageFile } from '../../src/env-plugins/local/image-file.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { contentNames, encodeToFile, rawContent, writeRaw } from '../conformance/images.ts';
import { randomBytes } from '../conformance/random.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { encodedBytes } from '../hostile/mutations.ts';
import { tempFolder } from '../temp.ts';
import { type VdiParts, vdiFile } from './vdi-images.ts';

const blockSize = 64 * KiB;
const block = (seed: number, bytes = blockSize) => randomBytes(bytes, seed);

/** What the blocks show over the bytes below. */
function shown(
  { size, blocks, blockSize: bytes = blockSize }: VdiParts,
  below: Buffer = Buffer.alloc(size),
): Buffer {
  const out = Buffer.alloc(size);
  below.copy(out);
  blocks.forEach((b, i) => {
    if (b === 'zero') out.fill(0, i * bytes, (i + 1) * bytes);
    else if (b !== undefined) b.copy(out, i * bytes);
  });
  return out;
}

describe('vdi', () => {
  testCodec(
    vdiCodec,
    ['dynamic', 'static'].flatMap((subformat) =>
      contentNames.map((name) => ({
        name: `${subformat} ${name}`,
        async make() {
          const folder = await tempFolder();
          const content = rawContent(name);
          const image = join(folder, 'a.vdi');
          await encodeToFile(vdiCodec, await writeRaw(join(folder, 'raw'), content), image, { subformat });
          return { image, expected: Buffer.concat([content, Buffer.alloc(-content.length & 511)]) };
        },
      })),
    ),
  );

  const odd: [string, VdiParts][] = [
    [
      'scrambled',
      {
        size: 8 * blockSize,
        blocks: [block(1), block(2), undefined, block(3), 'zero', block(4), block(5), block(6)],
      },
    ],
    [
      'with extra data',
      { size: 4 * blockSize, extraBytes: 512, blocks: [block(1), 'zero', block(2), block(3)] },
    ],
    [
      'blocks that are no power of two',
      { size: 3 * 1536, blockSize: 1536, blocks: [block(1, 1536), block(2, 1536), undefined] },
    ],
    ['a size inside a block', { size: 2 * blockSize - 1000, blocks: [block(1), block(2)] }],
    ['more map entries than the disk needs', { size: blockSize, blocks: [block(1), block(2), undefined] }],
    ['a header without geometry', { size: blockSize, headerBytes: 384, blocks: [block(1)] }],
    ['nothing stored', { size: 2 * blockSize, blocks: [undefined, 'zero'] }],
    ['an empty disk', { size: 0, blocks: [] }],
  ];
  it.each(odd.filter(([name]) => name !== 'an empty disk'))('%s', async (_name, parts) => {
    const path = join(await tempFolder(), 'a.vdi');
    await writeFile(path, vdiFile(parts));
    await checkSample(vdiCodec, { image: path, expected: shown(parts) });
  });
  it('a disk of no bytes', async () => {
    const image = await vdiCodec.open(memorySource(vdiFile(odd.at(-1)![1])), {
      sibling: () => Promise.reject(new Error()),
      parent: () => Promise.reject(new Error()),
    });
    expect(await image.extents(0, 0)).toEqual([]);
  });

  it('a dynamic disk ends with a whole block, and UUIDs are of its own', async () => {
    const bytes = await encodedBytes(vdiCodec, Buffer.concat([Buffer.alloc(MiB), Buffer.from('x')]));
    expect(bytes.length).toBe(2 * MiB);
    const found = header.decode(bytes);
    expect(found).toMatchObject({ blocks: 2, blocksAllocated: 1, diskSize: MiB + 512, headerBytes: 400 });
    expect(Buffer.from(found.uuidCreate).equals(found.uuidModify)).toBe(false);
  });
});

describe('differencing vdi', () => {
  const base: VdiParts = {
    size: 4 * blockSize,
    blocks: [block(1), block(2), undefined, block(3)],
    uuids: { uuidCreate: 1, uuidModify: 2 },
  };
  const middle: VdiParts = {
    size: 4 * blockSize,
    type: 'differencing',
    blocks: [undefined, block(4), block(5), undefined],
    uuids: { uuidCreate: 3, uuidModify: 4, uuidLink: 1, uuidParentModify: 2 },
  };
  // Grown: what lies past the parent's end is zeros.
  const top: VdiParts = {
    size: 6 * blockSize,
    type: 'differencing',
    extraBytes: 1024,
    blocks: [undefined, 'zero', undefined, undefined, undefined, block(6)],
    uuids: { uuidCreate: 5, uuidModify: 6, uuidLink: 3, uuidParentModify: 4 },
  };
  const expected = () => shown(top, shown(middle, shown(base)));

  async function written(files: Record<string, VdiParts | Buffer>): Promise<string> {
    const folder = await tempFolder();
    await mkdir(join(folder, 'Snapshots'));
    for (const [name, parts] of Object.entries(files))
      await writeFile(join(folder, name), Buffer.isBuffer(parts) ? parts : vdiFile(parts));
    return folder;
  }
  const opened = async (path: string) => openImage(await openImageFile(path), { follow: false });

  it('finds its parents by their UUIDs, among other files', async () => {
    const folder = await written({
      'a.vdi': top,
      'b.vdi': middle,
      'c.disk': base,
      'broken.vdi': Buffer.alloc(10),
      'notes.txt': Buffer.from('nothing'),
      'other.vdi': { ...base, uuids: { uuidCreate: 9 } },
      'copy.vdi': { ...base, uuids: { uuidCreate: 1, uuidModify: 77 } },
    });
    await checkSample(vdiCodec, { image: join(folder, 'a.vdi'), expected: expected() });
    await checkSample(vdiCodec, { image: () => opened(join(folder, 'a.vdi')), expected: expected() });
  });

  it('finds them above the folder Snapshots, as VirtualBox keeps them', async () => {
    const folder = await written({ 'base.vdi': base, 'Snapshots/1.vdi': middle, 'Snapshots/2.vdi': top });
    const path = join(folder, 'Snapshots', '2.vdi');
    await checkSample(vdiCodec, { image: () => opened(path), expected: expected() });
  });

  it('refuses without its parent, and with one that was changed', async () => {
    const alone = await written({ 'a.vdi': middle });
    await expect(opened(join(alone, 'a.vdi'))).rejects.toMatchObject({ kind: 'not-found' });
    const changed = await written({
      'a.vdi': middle,
      'b.vdi': { ...base, uuids: { uuidCreate: 1, uuidModify: 7 } },
    });
    await expect(opened(join(changed, 'a.vdi'))).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('refuses a circle', async () => {
    const folder = await written({
      'a.vdi': { ...middle, uuids: { uuidCreate: 1, uuidLink: 2 } },
      'b.vdi': { ...middle, uuids: { uuidCreate: 2, uuidLink: 1 } },
    });
    await expect(opened(join(folder, 'a.vdi'))).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
