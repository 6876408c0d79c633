/**
 * An XVA read at random: where the blocks of each disk lie is found once, by seeking from header to header. A block is
 * read as a whole at its first use, and compared with its checksum.
 */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { ExtentList } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { largestXmlBytes } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { tarBlockBytes } from '../ovf/tar-header.ts';
import { parseOvaXml, type XvaDescription } from './ova-xml.ts';
import type { XvaBlocks } from './xva-machines.ts';
import {
  blockBytes,
  blockOf,
  checksumFor,
  cutShort,
  descriptionName,
  isChecksumOf,
  memberIn,
  membersOf,
  padded,
  wrongChecksum,
} from './xva-tar.ts';

/** The description comes first. @throws AppError `corrupt`, `unsupported`. */
export async function readDescription(archive: ByteSource, signal?: AbortSignal): Promise<XvaDescription> {
  for await (const { name, offset, size } of membersOf(archive, signal)) {
    if (name !== descriptionName || size > largestXmlBytes) break;
    return parseOvaXml(await readBytes(archive, offset, size, signal), `${archive.name}:${descriptionName}`);
  }
  throw new AppError('corrupt', 'it does not begin with ova.xml', {
    where: archive.name,
    hint: 'this is not an XVA, or it is damaged',
  });
}

/** Blocks that lie at equal distances behind each other. */
interface Run {
  readonly first: number;
  count: number;
  readonly at: number;
  stride: number;
}

/** @throws AppError `corrupt` when a block is missing that has to be there, of another length, or out of order. */
export async function openXvaDisk(
  archive: ByteSource,
  disk: XvaBlocks,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const { directory, size } = disk;
  const where = `${archive.name}:${directory}`;
  const runs: Run[] = [];
  let last = -1;
  for await (const { name, offset, size: length } of membersOf(archive, signal)) {
    const block = blockOf(name);
    if (block?.disk !== directory || length === 0) continue;
    checkBlock(block.number, length, last, disk, where);
    last = block.number;
    addTo(runs, block.number, offset);
  }
  if (last !== lastBlock(size)) throw cutShort(where);
  return blockSource(archive, runs, disk, where);
}

export const lastBlock = (size: number): number => Math.ceil(size / blockBytes) - 1;

/** @throws AppError `corrupt`. */
export function checkBlock(
  number: number,
  length: number,
  last: number,
  disk: XvaBlocks,
  where: string,
): void {
  if (number > last && number <= lastBlock(disk.size) && isBlockLength(length, number, disk)) return;
  throw new AppError('corrupt', `block ${number} of ${length} bytes after block ${last}`, { where });
}

/** Some writers fill the last one up. */
const isBlockLength = (length: number, number: number, { size }: XvaBlocks): boolean =>
  length === blockBytes || length === Math.min(blockBytes, size - number * blockBytes);

function addTo(runs: Run[], number: number, at: number): void {
  const run = runs.at(-1);
  const follows = run !== undefined && number === run.first + run.count;
  if (follows && run.count === 1) {
    run.stride = at - run.at;
    run.count++;
  } else if (follows && at === run.at + run.count * run.stride) run.count++;
  else runs.push({ first: number, count: 1, at, stride: 0 });
}

function blockSource(archive: ByteSource, runs: readonly Run[], disk: XvaBlocks, name: string): ByteSource {
  const { size } = disk;
  const checked = new Set<number>();
  const readPart = async (target: Uint8Array, number: number, within: number, signal?: AbortSignal) => {
    const place = placeOf(runs, number);
    if (place === undefined) {
      target.fill(0);
    } else if (checked.has(number)) {
      await archive.read(target, place + within, signal);
    } else {
      const block = await checkedBlock(archive, { number, place, disk, name }, signal);
      checked.add(number);
      target.set(block.subarray(within, within + target.length));
    }
  };
  const source: ByteSource = {
    name,
    size,
    access: 'random',
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      throwIfAborted(signal);
      const parts: Promise<void>[] = [];
      for (let at = offset; at < offset + target.length; ) {
        const number = Math.floor(at / blockBytes);
        const until = Math.min((number + 1) * blockBytes, offset + target.length);
        const part = target.subarray(at - offset, until - offset);
        parts.push(readPart(part, number, at - number * blockBytes, signal));
        at = until;
      }
      await Promise.all(parts);
    },
    async extents(from, to) {
      checkRange(source, from, to - from);
      const out = new ExtentList(from);
      for (let i = firstRunAt(runs, Math.floor(from / blockBytes)); i < runs.length && out.end < to; i++) {
        const { first, count } = runs[i]!;
        const start = Math.min(Math.max(first * blockBytes, from), to);
        out.push('zero', start - out.end);
        out.push('data', Math.min((first + count) * blockBytes, to) - out.end);
      }
      out.push('zero', to - out.end);
      return out.list;
    },
    async close() {
      // the archive is its opener's
    },
  };
  return source;
}

interface BlockPlace {
  readonly number: number;
  /** Of its bytes in the archive. */
  readonly place: number;
  readonly disk: XvaBlocks;
  readonly name: string;
}

/** All of a block, compared with the checksum behind it where there is one. @throws AppError `corrupt`. */
async function checkedBlock(
  archive: ByteSource,
  { number, place, disk, name }: BlockPlace,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  // Its own header tells its length, as some writers fill the last one up; the checksum has one of its own.
  const longest = tarBlockBytes + blockBytes + tarBlockBytes + tarBlockBytes;
  const start = place - tarBlockBytes;
  const bytes = await readBytes(archive, start, Math.min(longest, archive.size - start), signal);
  const member = memberIn(bytes.subarray(0, tarBlockBytes), start, archive.name);
  if (blockOf(member?.name ?? '')?.number !== number || !isBlockLength(member!.size, number, disk))
    throw new AppError('corrupt', `block ${number} is not where it was`, { where: name });
  const block = bytes.subarray(tarBlockBytes, tarBlockBytes + member!.size);
  const end = tarBlockBytes + padded(block.length);
  const header = bytes.subarray(end, end + tarBlockBytes);
  const beside = header.length < tarBlockBytes ? undefined : memberIn(header, start + end, archive.name);
  if (beside === undefined || !isChecksumOf(beside, member!.name)) return block;
  const wanted = await checksumFor(beside.name, block);
  const from = end + tarBlockBytes;
  const told = bytes.toString('latin1', from, from + beside.size).trim();
  if (wanted !== undefined && told.toLowerCase() !== wanted.toLowerCase())
    throw wrongChecksum(member!.name, name);
  return block;
}

/** The index of the first run that ends behind the block. */
function firstRunAt(runs: readonly Run[], number: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.first + runs[middle]!.count <= number) low = middle + 1;
    else high = middle;
  }
  return low;
}

function placeOf(runs: readonly Run[], number: number): number | undefined {
  const run = runs[firstRunAt(runs, number)];
  return run === undefined || run.first > number ? undefined : run.at + (number - run.first) * run.stride;
}
