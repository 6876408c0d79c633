import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parallelsCodec } from '../../src/codecs/parallels/index.ts';
import { openImage } from '../../src/convert/open-image.ts';
import { openImageFile } from '../../src/env-plugins/local/image-file.ts';
import { MiB } from '../../src/model/units.ts';
import { contentNames, encodeToFile, openFile, rawContent, writeRaw } from '../conformance/images.ts';
import { randomBytes } from '../conformance/random.ts';
import { checkSample, testCodec } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import {
  type DescriptorParts,
  descriptorXml,
  guidOf,
  type ParallelsParts,
  parallelsFile,
} from './parallels-images.ts';

const clusterBytes = 64 * 1024;
const cluster = (seed: number, bytes = clusterBytes) => randomBytes(bytes, seed);

function shown(parts: ParallelsParts, below: Buffer = Buffer.alloc(parts.size)): Buffer {
  const out = Buffer.alloc(parts.size);
  below.copy(out);
  parts.clusters.forEach((c, i) => void c?.copy(out, i * (parts.clusterSectors ?? 128) * 512));
  return out;
}

describe('parallels', () => {
  testCodec(
    parallelsCodec,
    contentNames.map((name) => ({
      name,
      async make() {
        const folder = await tempFolder();
        const content = rawContent(name);
        const image = join(folder, 'a.hdd');
        await encodeToFile(parallelsCodec, await writeRaw(join(folder, 'raw'), content), image);
        return { image, expected: Buffer.concat([content, Buffer.alloc(-content.length & 511)]) };
      },
    })),
  );

  const odd: [string, ParallelsParts][] = [
    [
      'v2, scrambled',
      {
        size: 6 * clusterBytes,
        clusters: [cluster(1), undefined, cluster(2), cluster(3), cluster(4), undefined],
      },
    ],
    [
      'v1, clusters of 63 sectors',
      {
        size: 4 * 32256,
        old: true,
        clusterSectors: 63,
        clusters: [cluster(1, 32256), cluster(2, 32256), undefined, cluster(3, 32256)],
      },
    ],
    [
      'v1, marked as never closed by others',
      { size: clusterBytes, old: true, inUse: 1234, clusters: [cluster(1)] },
    ],
    ['a size inside a cluster', { size: 2 * clusterBytes - 1024, clusters: [cluster(1), cluster(2)] }],
    ['more table entries than the disk needs', { size: clusterBytes, clusters: [cluster(1), cluster(2)] }],
    ['nothing stored', { size: 2 * clusterBytes, clusters: [undefined, undefined] }],
  ];
  it.each(odd)('%s', async (_name, parts) => {
    const path = join(await tempFolder(), 'a.hdd');
    await writeFile(path, parallelsFile(parts));
    await checkSample(parallelsCodec, { image: path, expected: shown(parts) });
  });

  it('tells of an image in use, and goes by the table of one marked as empty', async () => {
    const path = join(await tempFolder(), 'a.hdd');
    const parts: ParallelsParts = { size: clusterBytes, inUse: 0x746f6e59, flags: 1, clusters: [cluster(1)] };
    await writeFile(path, parallelsFile(parts));
    await checkSample(parallelsCodec, { image: path, expected: shown(parts) });
    const image = await openFile(parallelsCodec, path);
    expect(image.info.findings.map((f) => f.rule)).toEqual(['parallels.in-use', 'parallels.empty-flag']);
    await image.close();
  });
});

describe('parallels bundles', () => {
  const size = 4 * clusterBytes;
  const layers: ParallelsParts[] = [
    { size, clusters: [cluster(1), cluster(2), undefined, cluster(3)] },
    { size, clusters: [undefined, cluster(4), cluster(5), undefined] },
    { size, clusters: [undefined, undefined, cluster(6), undefined] },
  ];
  const merged = (upTo: number) =>
    layers.slice(0, upTo + 1).reduce<Buffer | undefined>((below, layer) => shown(layer, below), undefined)!;
  const shots = [0, 1, 2].map((i) => ({ guid: guidOf(i), parent: i === 0 ? undefined : guidOf(i - 1) }));
  const images = [0, 1, 2].map((i) => ({ guid: guidOf(i), file: `disk.hdd.${i}.hds` }));
  const usual: DescriptorParts = { size, top: guidOf(2), shots, images };

  async function bundle(xml: string, more: Record<string, Buffer> = {}): Promise<string> {
    const folder = join(await tempFolder(), 'disk.hdd');
    await mkdir(folder);
    for (const [i, layer] of layers.entries())
      await writeFile(join(folder, `disk.hdd.${i}.hds`), parallelsFile(layer));
    for (const [name, bytes] of Object.entries(more)) await writeFile(join(folder, name), bytes);
    await writeFile(join(folder, 'DiskDescriptor.xml'), xml);
    return folder;
  }
  const opened = async (path: string) => openImage(await openImageFile(path), { follow: false });

  it('show the top, by the descriptor and by its image', async () => {
    const folder = await bundle(descriptorXml(usual));
    for (const name of ['DiskDescriptor.xml', 'disk.hdd.2.hds']) {
      await checkSample(parallelsCodec, { image: join(folder, name), expected: merged(2) });
      await checkSample(parallelsCodec, { image: () => opened(join(folder, name)), expected: merged(2) });
    }
  });

  it('show a snapshot by its image, never a delta alone', async () => {
    const folder = await bundle(descriptorXml(usual));
    await checkSample(parallelsCodec, { image: join(folder, 'disk.hdd.1.hds'), expected: merged(1) });
    await checkSample(parallelsCodec, { image: join(folder, 'disk.hdd.0.hds'), expected: merged(0) });
  });

  it('take the usual top, GUIDs in any case, absolute names of another place, a plain root', async () => {
    const top = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';
    const xml = descriptorXml({
      size,
      shots: [{ guid: guidOf(0) }, { guid: top.toUpperCase(), parent: guidOf(0) }],
      images: [
        { guid: guidOf(0), file: '/elsewhere/plain.raw', type: 'Plain' },
        { guid: top, file: '/elsewhere/disk.hdd.1.hds' },
      ],
    });
    const plain = randomBytes(size, 40);
    const folder = await bundle(xml, { 'plain.raw': plain });
    const image = join(folder, 'DiskDescriptor.xml');
    await checkSample(parallelsCodec, { image, expected: shown(layers[1]!, plain) });
    await checkSample(parallelsCodec, { image: () => opened(image), expected: shown(layers[1]!, plain) });
  });

  it('are put together from several storages', async () => {
    const half = { ...layers[0]!, size: 2 * clusterBytes, clusters: layers[0]!.clusters.slice(0, 2) };
    const storages = [0, 1].map((i) => ({
      start: i * half.size,
      end: (i + 1) * half.size,
      images: [{ guid: guidOf(0), file: `part${i}` }],
    }));
    const xml = descriptorXml({ size, top: guidOf(0), shots: [{ guid: guidOf(0) }], images: [], storages });
    const folder = await bundle(xml, { part0: parallelsFile(half), part1: parallelsFile(half) });
    const expected = Buffer.concat([shown(half), shown(half)]);
    await checkSample(parallelsCodec, { image: join(folder, 'DiskDescriptor.xml'), expected });
    await expect(opened(join(folder, 'part1'))).rejects.toMatchObject({ kind: 'unsupported' });
  });

  const refused: [string, string, string][] = [
    [
      'a circle',
      descriptorXml({ ...usual, shots: shots.map((s, i) => ({ ...s, parent: guidOf((i + 2) % 3) })) }),
      'corrupt',
    ],
    ['a top that is not there', descriptorXml({ ...usual, top: guidOf(7) }), 'corrupt'],
    ['a parent without an image', descriptorXml({ ...usual, images: images.slice(1) }), 'corrupt'],
    [
      'a file that is not there',
      descriptorXml({ ...usual, images: images.map((i) => ({ ...i, file: 'no' })) }),
      'not-found',
    ],
    [
      'a file outside the folder',
      descriptorXml({ ...usual, images: [...images.slice(0, 2), { guid: guidOf(2), file: '/etc/passwd' }] }),
      'unsupported',
    ],
    ['padding', descriptorXml({ ...usual, padding: 1 }), 'unsupported'],
    [
      'encryption',
      descriptorXml({ ...usual, more: `<Encryption><Engine>${guidOf(1)}</Engine></Encryption>` }),
      'unsupported',
    ],
    ['a larger disk than its image', descriptorXml({ ...usual, size: size + MiB }), 'corrupt'],
    [
      'a plain image on another',
      descriptorXml({ ...usual, images: images.map((i) => ({ ...i, type: 'Plain' })) }),
      'corrupt',
    ],
    [
      'an unknown kind of image',
      descriptorXml({ ...usual, images: images.map((i) => ({ ...i, type: 'Odd' })) }),
      'unsupported',
    ],
    [
      'a storage that does not begin at 0',
      descriptorXml({ ...usual, storages: [{ start: 512, end: size, images }] }),
      'corrupt',
    ],
    ['another version', descriptorXml(usual).replace('Version="1.0"', 'Version="2.0"'), 'unsupported'],
    ['what is no XML', '<Parallels_disk_image Version="1.0"><a></b>', 'corrupt'],
    ['a document type', `<!DOCTYPE a []>${descriptorXml(usual).split('?>')[1]}`, 'unsupported'],
  ];
  it.each(refused)('refuse %s', async (_name, xml, kind) => {
    const folder = await bundle(xml);
    await expect(opened(join(folder, 'DiskDescriptor.xml'))).rejects.toMatchObject({
      name: 'AppError',
      kind,
    });
  });
});
