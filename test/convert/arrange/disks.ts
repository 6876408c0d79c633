/** Small disks with tables, made by foreign tools, and what they judge of ours. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLayout } from '../../../src/convert/arrange/read-layout.ts';
import { memorySource } from '../../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../../src/io/disk.ts';

export const mib = 2 ** 20;

export const memoryDisk = (bytes: Uint8Array, sectorSize = 512): Disk =>
  sourceDisk(memorySource(bytes), sectorSize);

/** A disk as `sfdisk` makes it from its script, each partition filled with a byte of its own. */
export function sfdisk(folder: string, name: string, sizeBytes: number, script: string): Buffer {
  const path = join(folder, name);
  writeFileSync(path, Buffer.alloc(sizeBytes));
  execFileSync('sfdisk', ['-q', path], { input: script });
  return readFileSync(path);
}

export interface Listed {
  readonly label: string;
  readonly id: string;
  readonly partitions: readonly {
    readonly node: string;
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly uuid?: string;
    readonly name?: string;
    readonly bootable?: boolean;
  }[];
}

/** Written to a file, found sound by sfdisk (and sgdisk for a GPT), and listed. */
export function judged(path: string, bytes: Buffer): Listed {
  writeFileSync(path, bytes);
  const warnings = execFileSync('sfdisk', ['--verify', path], { encoding: 'utf8' });
  if (!/No errors detected/.test(warnings)) throw new Error(warnings);
  const table: Listed = JSON.parse(
    execFileSync('sfdisk', ['--json', path], { encoding: 'utf8' }),
  ).partitiontable;
  if (table.label === 'gpt') {
    const verified = execFileSync('sgdisk', ['--verify', path], { encoding: 'utf8' });
    if (!verified.includes('No problems found')) throw new Error(verified);
  }
  return table;
}

export async function wholeOf(disk: Disk): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.size);
  await disk.read(bytes, 0);
  return bytes;
}

export async function layoutsOf(disks: readonly Disk[]) {
  const read = await Promise.all(disks.map((disk, i) => readLayout(disk, i, `disk ${i + 1}`)));
  return {
    layouts: read.flatMap(({ layout }) => layout ?? []),
    findings: read.flatMap(({ findings }) => findings),
  };
}
