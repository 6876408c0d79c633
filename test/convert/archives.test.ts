/** What is no disk, and has no mark of one: it must not become a raw disk of rubbish. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openImage } from '../../src/convert/open-image.ts';
import { unpack } from '../../src/convert/unpack.ts';
import { openImageFile } from '../../src/env-plugins/local/image-file.ts';
import { randomBytes } from '../conformance/random.ts';
import { tempFolder } from '../temp.ts';

/** The disk's size, or how it is refused. */
async function outcome(name: string, bytes: Buffer, format?: string): Promise<string> {
  const path = join(await tempFolder(), name);
  await writeFile(path, bytes);
  const disk = await openImageFile(path);
  try {
    const { signal } = new AbortController();
    const spoolFolder = await tempFolder();
    const unpacked = await unpack(disk, { signal, runId: 'test', format, spoolFolder });
    const image = await openImage(unpacked.disk, { signal, follow: false, format });
    await image.close();
    return String(image.size);
  } catch (error) {
    return String((error as Error).message);
  } finally {
    await disk.source.close();
  }
}

const marked = (hex: string, at = 0): Buffer => {
  const bytes = randomBytes(8192, 5);
  bytes.write(hex, at, 'hex');
  return bytes;
};

it('archives, and compressions that are not ours', async () => {
  for (const [what, bytes] of [
    ['a ZIP archive', marked('504b0304')],
    ['a 7z archive', marked('377abcaf271c')],
    ['a RAR archive', marked('526172211a0700')],
    ['a tar archive', marked('7573746172003030', 257)],
    ['packed with compress', marked('1f9d90')],
    ['packed with lzip', marked('4c5a495001')],
    ['packed with lzma', marked('5d00008000ffffffffffffffff00')],
  ] as const) {
    const refused = `this is ${what}, not a disk`;
    expect(await outcome('a.raw', bytes)).toBe(refused);
    expect(await outcome('a', bytes)).toBe(refused);
    expect(await outcome('a.img.gz', gzipSync(bytes))).toBe(refused);
    expect(await outcome('a.raw', bytes, 'raw')).toBe('8192');
  }
});

it('a name that says packed, and no mark of it', async () => {
  const bytes = randomBytes(8192, 6);
  for (const [extension, wrapper] of [
    ['gz', 'gzip'],
    ['xz', 'xz'],
    ['zst', 'zstd'],
    ['lz4', 'lz4'],
  ]) {
    const name = `a.raw.${extension}`;
    expect(await outcome(name, bytes)).toBe(`the name says ${wrapper}, and there is no mark of it`);
    expect(await outcome(name, bytes, 'raw')).toBe('8192');
    expect(await outcome(name, gzipSync(bytes))).toBe('8192');
  }
});
