/** An XVA read at random: where the blocks of each disk lie is found once, by seeking from header to header. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { ExtentList } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { largestXmlBytes } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { parseOvaXml, type XvaDescription } from './ova-xml.ts';
import type { XvaDisk } from './xva-machines.ts';
import {
  blockBytes,
  blockOf,
  checksumFor,
  cutShort,
  descriptionName,
  membersOf,
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
  disk: XvaDisk,
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
  return blockSource(archive, runs, size, where);
}

export const lastBlock = (size: number): number => Math.ceil(size / blockBytes) - 1;

/** @throws AppError `corrupt`. */
export function checkBlock(
  number: number,
  length: number,
  last: number,
  { size }: XvaDisk,
  where: string,
): void {
  const wanted = Math.min(blockBytes, size - number * blockBytes);
  // Some writers fill the last one up.
  if (number > last && number <= lastBlock(size) && (length === wanted || length === blockBytes)) return;
  throw new AppError('corrupt', `block ${number} of ${length} bytes after block ${last}`, { where });
}

function addTo(runs: Run[], number: number, at: number): void {
  const run = runs.at(-1);
  const follows = run !== undefined && number === run.first + run.count;
  if (follows && run.count === 1) {
    run.stride = at - run.at;
    run.count++;
  } else if (follows && at === run.at + run.count * run.stride) run.count++;
  else runs.push({ first: number, count: 1, at, stride: 0 });
}

function blockSource(archive: ByteSource, runs: readonly Run[], size: number, name: string): ByteSource {
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
        const place = placeOf(runs, number);
        if (place === undefined) part.fill(0);
        else parts.push(archive.read(part, place + (at - number * blockBytes), signal));
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

/** Compares each block with the checksum behind it. @throws AppError `corrupt`. */
export async function verifyXva(archive: ByteSource, signal?: AbortSignal): Promise<void> {
  let bytes: Uint8Array = Buffer.alloc(0);
  let name = '';
  for await (const member of membersOf(archive, signal)) {
    if (blockOf(member.name) !== undefined) {
      bytes = await readBytes(archive, member.offset, member.size, signal);
      name = member.name;
      continue;
    }
    if (!member.name.startsWith(`${name}.`) || member.size > 100) continue;
    const wanted = await checksumFor(member.name, bytes);
    const told = (await readBytes(archive, member.offset, member.size, signal)).toString('latin1').trim();
    if (wanted !== undefined && told.toLowerCase() !== wanted.toLowerCase())
      throw wrongChecksum(name, archive.name);
  }
}
