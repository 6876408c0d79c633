/** Images that the Linux kernel wrote: `fixtures/volumes/make.sh`. */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { readBytes } from '../../src/io/byte-source.ts';
import type { Disk } from '../../src/io/disk.ts';

export const volumeFixture = (name: string): Buffer =>
  brotliDecompressSync(readFileSync(new URL(`fixtures/volumes/${name}.img.br`, import.meta.url)));

/** What `make.sh` wrote to a volume: each sector tells its name and number. */
export function pattern(name: string, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0; i * 512 < bytes; i++) out.write(`${name} ${i}\n`, i * 512);
  return out;
}

export const all = (disk: Disk): Promise<Buffer> => readBytes(disk, 0, disk.size);
