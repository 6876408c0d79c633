/**
 * The digests of a run's disks, beside its journal: `runs/<id>.digests`. Text, appended as blocks become known:
 *
 *   vmferry-digests 1
 *   disk 0 xxh3-128 10737418240 {"id":"…","name":"…"}     its number here, algorithm, size in bytes
 *   0 12 9f86d081884c7d65…                                  disk, number of the block of 4 MiB, digest
 *   0 13 -                                                  all zeros
 *   whole 0 6b86b273ff34fce1…                               when all of the disk was read
 *
 * Blocks that are not named hold no data. A last line without its end was cut and counts for nothing.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import type { DigestDisk, DigestKeeping, KeptDigest } from '../../convert/disk-digests.ts';
import { type BlockDigest, type DiskDigest, diskDigest } from '../../io/digest.ts';
import { isAlgorithm } from '../../io/digest-hash.ts';
import { type AppError, AppError as Failed, toAppError } from '../../model/errors.ts';

const first = 'vmferry-digests 1';
const everyMilliseconds = 1000;
const mostWaiting = 4096;
/** Of one disk: 64 TiB. */
const largest = 64 * 2 ** 40;
const mostDisks = 1000;

export interface DigestFileOptions {
  /** Told once: what is missing in the file is read again by whoever goes on. */
  readonly onFailure: (error: AppError) => void;
  readonly redact: (text: string) => string;
}

/** Takes the digests of one run. Nothing is written before the first disk; no failure stops the run. */
export class DigestFile implements DigestKeeping {
  readonly #path: string;
  readonly #options: DigestFileOptions;
  #handle: FileHandle | undefined;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #disks = 0;
  #failed = false;

  constructor(path: string, options: DigestFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  begin({ id, name, size, algorithm }: DigestDisk) {
    if (this.#disks === 0) this.#lines.push(first);
    const number = this.#disks++;
    const { redact } = this.#options;
    this.#line(`disk ${number} ${algorithm} ${size} ${redact(JSON.stringify({ id, name }))}`);
    this.#timer ??= setInterval(() => void this.#flush(), everyMilliseconds);
    return {
      block: ({ block, digest }: BlockDigest, zeros: boolean) =>
        this.#line(`${number} ${block} ${zeros ? '-' : digest.toString('hex')}`),
      whole: (hex: string) => this.#line(`whole ${number} ${hex}`),
    };
  }

  /** Never throws; a second call does nothing. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
    const handle = this.#handle;
    this.#handle = undefined;
    this.#failed = true;
    await handle?.close().catch((error) => this.#options.onFailure(toAppError(error)));
  }

  #line(text: string): void {
    if (this.#failed) return;
    this.#lines.push(text);
    if (this.#lines.length >= mostWaiting) void this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#lines.length === 0 || this.#failed) return;
    this.#writing ??= this.#write();
    await this.#writing;
  }

  async #write(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    try {
      this.#handle ??= await open(this.#path, 'ax', 0o600);
      await this.#handle.appendFile(`${lines.join('\n')}\n`);
    } catch (error) {
      this.#failed = true;
      this.#lines = [];
      this.#options.onFailure(toAppError(error));
    } finally {
      this.#writing = undefined;
    }
  }
}

const named = z.object({ id: z.string(), name: z.string() });

/**
 * What was kept, in the order of the disks; undefined where nothing was. Lines that are not understood count for
 * nothing. @throws AppError `corrupt` where its beginning is of no use, `unsupported` where its algorithm can't be had.
 */
export async function readDigests(path: string): Promise<KeptDigest[] | undefined> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw toAppError(error);
  });
  if (handle === undefined) return undefined;
  const disks: Reading[] = [];
  let begun = false;
  try {
    const end = await endOfLines(handle);
    const input = createReadStream('', {
      fd: handle.fd,
      autoClose: false,
      start: 0,
      end: Math.max(0, end - 1),
    });
    for await (const line of createInterface({ input: end === 0 ? ([] as never) : input })) {
      if (!begun && line !== first) break;
      if (begun) await take(line, disks);
      begun = true;
    }
  } catch (error) {
    throw toAppError(error);
  } finally {
    await handle.close();
  }
  if (!begun) throw new Failed('corrupt', 'these are no digests as vmferry writes them', { where: path });
  return disks.map(({ id, name, digest, whole }) => ({
    id,
    name,
    digest,
    complete: whole === digest.whole(),
  }));
}

interface Reading {
  readonly id: string;
  readonly name: string;
  readonly digest: DiskDigest;
  whole?: string;
}

async function take(line: string, disks: Reading[]): Promise<void> {
  const block = /^(\d{1,4}) (\d{1,9}) (-|(?:[0-9a-f]{2})+)$/.exec(line);
  if (block !== null) {
    const digest = disks[Number(block[1])]?.digest;
    const number = Number(block[2]);
    if (digest === undefined || number >= digest.blockCount) return;
    const bytes = block[3] === '-' ? digest.zerosOf(number) : Buffer.from(block[3]!, 'hex');
    if (bytes.length === digest.hash.length) digest.preload([{ block: number, digest: bytes }]);
    return;
  }
  const whole = /^whole (\d{1,4}) ([0-9a-f]{64})$/.exec(line);
  if (whole !== null) {
    const disk = disks[Number(whole[1])];
    if (disk !== undefined) disk.whole = whole[2]!;
    return;
  }
  const disk = /^disk (\d{1,4}) ([a-z0-9-]+) (\d{1,15}) (\{.*\})$/.exec(line);
  if (disk === null || Number(disk[1]) !== disks.length || disks.length >= mostDisks) return;
  const [, , algorithm = '', sizeText, json = ''] = disk;
  const size = Number(sizeText);
  if (!isAlgorithm(algorithm) || size > largest) return;
  disks.push({ ...named.parse(JSON.parse(json)), digest: await diskDigest(size, { algorithm }) });
}

/** Where the last whole line ends. */
async function endOfLines(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  const tail = Buffer.alloc(Math.min(size, 8192));
  await handle.read(tail, 0, tail.length, size - tail.length);
  return size - tail.length + tail.lastIndexOf(10) + 1;
}
