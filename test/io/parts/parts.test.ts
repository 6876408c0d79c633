import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { type ByteSink, type ByteSource, memorySource } from '../../../src/io/byte-source.ts';
import { joinByList, type PartFile } from '../../../src/io/parts/join-list.ts';
import { type PartList, parsePartList, partListText } from '../../../src/io/parts/part-list.ts';
import { splitSink } from '../../../src/io/parts/split-sink.ts';
import { AppError } from '../../../src/model/errors.ts';
import { parsePartSize, partSizeInWords } from '../../../src/model/part-size.ts';

const partBytes = 1000;

/** A folder in memory. `access`: of its sinks; only a random one can be read back. */
function folder(access: ByteSink['access'] = 'random') {
  const files = new Map<string, Buffer>();
  const open = async (name: string): Promise<ByteSink> => {
    let bytes = Buffer.alloc(0);
    const grow = (size: number) => {
      if (size > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]);
    };
    return {
      name,
      access,
      async write(chunk, offset) {
        const copy = Buffer.from(chunk);
        await new Promise((resolve) => setImmediate(resolve));
        grow(offset + copy.length);
        bytes.set(copy, offset);
      },
      ...(access === 'random'
        ? {
            async readBack(target: Uint8Array, offset: number) {
              grow(offset + target.length);
              target.set(bytes.subarray(offset, offset + target.length));
            },
          }
        : {}),
      async finish(size) {
        grow(size);
        files.set(name, bytes.subarray(0, size));
      },
      abort: async () => undefined,
    };
  };
  const file = (name: string): PartFile => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new AppError('not-found', name);
    return { source: memorySource(bytes, `/x/${name}`), sibling: async (other) => file(other) };
  };
  return { files, open, file };
}

const content = (size: number) =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** `late`: written at the end, at 10. */
async function cut(
  bytes: Buffer,
  place = folder(),
  late?: Buffer,
): Promise<{ list: PartList; place: ReturnType<typeof folder> }> {
  let list: PartList | undefined;
  const sink = await splitSink({
    name: 'd.img',
    partBytes,
    forward: late === undefined,
    open: place.open,
    done: (made) => (list = made),
  });
  const writes: Promise<void>[] = [];
  for (let at = 0; at < bytes.length; at += 333) {
    const piece = bytes.subarray(at, at + 333);
    // Zeros are gaps.
    if (piece.some((byte) => byte !== 0)) writes.push(sink.write(piece, at));
  }
  await Promise.all(writes);
  if (late !== undefined) await sink.write(late, 10);
  await sink.finish(bytes.length);
  place.files.set('d.img.parts', Buffer.from(partListText(list!)));
  return { list: list!, place };
}

async function joined(place: ReturnType<typeof folder>, name: string, inner?: string) {
  const found = await joinByList(place.file(name), inner, { follow: false });
  return found!;
}

const readAll = async (source: ByteSource) => {
  const bytes = Buffer.alloc(source.size);
  for (let at = 0; at < bytes.length; at += 450) await source.read(bytes.subarray(at, at + 450), at);
  return bytes;
};

it('parts are the file, cut; their list names each with its sum', async () => {
  const bytes = content(3700);
  bytes.fill(0, 999, 2100);
  const { list, place } = await cut(bytes);
  expect(list.parts.map(({ name, size }) => [name, size])).toEqual([
    ['d.img.001', 1000],
    ['d.img.002', 1000],
    ['d.img.003', 1000],
    ['d.img.004', 700],
  ]);
  expect(Buffer.concat(list.parts.map(({ name }) => place.files.get(name)!)).equals(bytes)).toBe(true);
  for (const { name, sha256 } of list.parts) expect(sha256).toBe(sum(place.files.get(name)!));
  expect(parsePartList(place.files.get('d.img.parts')!.toString(), 'x')).toEqual(list);
});

it('what goes back changes a part and its sum; where that can not be read, it has none', async () => {
  const bytes = content(2500);
  const late = Buffer.from('late');
  const { list, place } = await cut(bytes, folder(), late);
  const whole = Buffer.from(bytes);
  whole.set(late, 10);
  expect(Buffer.concat(list.parts.map(({ name }) => place.files.get(name)!)).equals(whole)).toBe(true);
  for (const { name, sha256 } of list.parts) expect(sha256).toBe(sum(place.files.get(name)!));
  const unread = await cut(bytes, folder('forward'), late);
  expect(unread.list.parts.map(({ sha256 }) => sha256 === undefined)).toEqual([true, false, false]);
  const { verify } = await joined(unread.place, 'd.img.parts');
  await verify();
});

it('joined by the list, or by any part beside it', async () => {
  const bytes = content(3700);
  const { place } = await cut(bytes);
  for (const [name, inner] of [
    ['d.img.parts', undefined],
    ['d.img.001', 'd.img'],
    ['d.img.003', 'd.img'],
  ] as const) {
    const { source, parts, verify } = await joined(place, name, inner);
    expect(parts).toHaveLength(4);
    expect((await readAll(source)).equals(bytes)).toBe(true);
    await verify();
    await source.close();
  }
  expect(await joinByList(place.file('d.img.001'), undefined, { follow: false })).toBeUndefined();
});

it('what was read in order is not read again', async () => {
  const { place, list } = await cut(content(3700));
  const { source, verify } = await joined(place, 'd.img.parts');
  await source.read(Buffer.alloc(100), 0);
  await readAll(source);
  for (const { name } of list.parts) place.files.delete(name);
  await verify();
});

it.each([
  [
    'missing',
    (files: Map<string, Buffer>) => files.delete('d.img.003'),
    /part 3 of 4 is missing: d\.img\.003/,
  ],
  [
    'short',
    (files: Map<string, Buffer>) => files.set('d.img.002', files.get('d.img.002')!.subarray(1)),
    /part 2 of 4 has 999 bytes, 1000 expected/,
  ],
  [
    'swapped',
    (files: Map<string, Buffer>) => {
      const second = files.get('d.img.002')!;
      files.set('d.img.002', files.get('d.img.003')!).set('d.img.003', second);
    },
    /part 2 of 4 has the bytes of part 3/,
  ],
  [
    'doubled',
    (files: Map<string, Buffer>) => files.set('d.img.003', files.get('d.img.001')!),
    /part 3 of 4 has the bytes of part 1/,
  ],
  [
    'damaged',
    (files: Map<string, Buffer>) => {
      const bytes = Buffer.from(files.get('d.img.004')!);
      bytes[5]! ^= 1;
      files.set('d.img.004', bytes);
    },
    /part 4 of 4 is damaged/,
  ],
])('a part that is %s is named', async (_, harm, message) => {
  const { place } = await cut(content(3700));
  harm(place.files);
  const verified = joined(place, 'd.img.parts').then(({ verify }) => verify());
  await expect(verified).rejects.toThrow(message);
  await expect(verified).rejects.toMatchObject({ kind: 'corrupt' });
});

it('a list is hostile until it is checked', async () => {
  const { list, place } = await cut(content(1500));
  const text = partListText(list);
  for (const wrong of [
    text.replace('d.img.002', '../d.img.002'),
    text.replace('# name: d.img', '# name: ../d.img'),
    text.replace('# bytes: 1500', '# bytes: 999999999999999999999'),
    text.replace('# bytes: 1500', '# bytes: 15000'),
    text.replace('# part bytes: 1000', '# part bytes: 0'),
    text.replace(/^.*001\n/m, ''),
  ])
    expect(() => parsePartList(wrong, 'x'), wrong).toThrow(/list of parts is damaged/);
  expect(() => parsePartList(text.replace('vmferry: 1', 'vmferry: 2'), 'x')).toThrow(/version 2/);
  place.files.set('other.parts', Buffer.from('something else'));
  expect(await joinByList(place.file('other.parts'), undefined, { follow: false })).toBeUndefined();
});

it('too many parts are refused, sizes are bytes or media', async () => {
  const place = folder();
  const sink = await splitSink({
    name: 'd',
    partBytes,
    forward: true,
    open: place.open,
    done: () => undefined,
  });
  await expect(sink.write(Buffer.alloc(1), 999 * partBytes)).rejects.toThrow(/more than 999 parts/);
  await sink.abort();
  expect(parsePartSize('4G')).toBe(4 * 2 ** 30);
  expect(parsePartSize('FAT32')).toBeLessThan(4 * 2 ** 30);
  expect(parsePartSize('4294967295')).toBe(2 ** 32 - 1);
  expect(partSizeInWords(parsePartSize('dvd'))).toBe('4.38 GiB (dvd)');
  expect(() => parsePartSize('floppy')).toThrow(/no size of parts/);
  expect(() => parsePartSize('1K')).toThrow(/too small/);
});
