/** An XVA that is compressed as a whole (gzip, zstd), read from its start; each block is checked as it comes. */
import type { ByteSource } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { forwardSource } from '../../io/wrappers/forward-source.ts';
import { peel } from '../../io/wrappers/peel.ts';
import type { Wrapper } from '../../io/wrappers/wrapper.ts';
import { largestXmlBytes } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { tarBlockBytes } from '../ovf/tar-header.ts';
import { parseOvaXml, type XvaDescription } from './ova-xml.ts';
import { checkBlock, lastBlock } from './read-xva.ts';
import type { XvaDisk } from './xva-machines.ts';
import {
  blockBytes,
  blockOf,
  checksumFor,
  cutShort,
  descriptionName,
  memberIn,
  padded,
  wrongChecksum,
} from './xva-tar.ts';

/** Kept, so that whoever opens the disk may look at its beginning first. */
const headBytes = 64 * KiB;

interface StreamedMember {
  readonly name: string;
  /** Its bytes; to be asked for before the next member, or not at all. */
  bytes(): Promise<Buffer>;
  readonly size: number;
}

/** The description alone. @throws AppError. */
export async function streamDescription(
  archive: ByteSource,
  wrapper: Wrapper,
  signal?: AbortSignal,
): Promise<XvaDescription> {
  for await (const { name, size, bytes } of membersIn(archive, wrapper, signal)) {
    if (name !== descriptionName || size > largestXmlBytes) break;
    return parseOvaXml(await bytes(), `${archive.name}:${descriptionName}`);
  }
  throw new AppError('corrupt', 'it does not begin with ova.xml', {
    where: archive.name,
    hint: 'this is not an XVA, or it is damaged',
  });
}

/** Closing it closes nothing but what unpacks. @throws AppError. */
export async function streamXvaDisk(
  archive: ByteSource,
  wrapper: Wrapper,
  disk: XvaDisk,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const pieces = diskPieces(archive, wrapper, disk, signal);
  const name = `${archive.name}:${disk.directory}`;
  const first = await pieces.next();
  const start: Uint8Array = first.done ? new Uint8Array(0) : first.value;
  const head = Buffer.from(start.subarray(0, headBytes));
  async function* rest() {
    yield start.subarray(headBytes);
    yield* pieces;
  }
  const close = async () => void (await pieces.return(undefined));
  const whole = disk.size <= head.length;
  const inner: ByteSource = { name, size: disk.size, access: 'forward', read: async () => undefined, close };
  return forwardSource(
    { wrappers: [], head, whole, rest: rest(), close: async () => undefined },
    inner,
    disk.size,
  );
}

const zeros = Buffer.alloc(MiB);

/** The disk's bytes from its start to its end. */
async function* diskPieces(
  archive: ByteSource,
  wrapper: Wrapper,
  disk: XvaDisk,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const where = `${archive.name}:${disk.directory}`;
  let last = -1;
  let held: Buffer | undefined;
  let heldName = '';
  // A block is handed on when what follows it, its checksum, was looked at.
  const handOn = () => {
    const bytes = held!.subarray(0, Math.min(blockBytes, disk.size - last * blockBytes));
    held = undefined;
    return bytes;
  };
  for await (const member of membersIn(archive, wrapper, signal)) {
    const block = blockOf(member.name);
    if (held !== undefined) {
      if (member.name.startsWith(`${heldName}.`) && member.size <= 100) {
        const wanted = await checksumFor(member.name, held);
        const told = (await member.bytes()).toString('latin1').trim();
        if (wanted !== undefined && told.toLowerCase() !== wanted.toLowerCase())
          throw wrongChecksum(heldName, where);
      }
      yield handOn();
      if (last === lastBlock(disk.size)) return;
    }
    if (block?.disk !== disk.directory || member.size === 0) continue;
    checkBlock(block.number, member.size, last, disk, where);
    for (let skipped = last + 1; skipped < block.number; skipped++) yield zeros;
    last = block.number;
    held = await member.bytes();
    heldName = member.name;
  }
  if (held !== undefined) yield handOn();
  if (last !== lastBlock(disk.size)) throw cutShort(where);
}

async function* membersIn(
  archive: ByteSource,
  wrapper: Wrapper,
  signal: AbortSignal | undefined,
): AsyncGenerator<StreamedMember> {
  const peeled = await peel(archive, wrapper, { headBytes: tarBlockBytes, signal });
  const pieces = peeled.rest[Symbol.asyncIterator]();
  let piece: Uint8Array = peeled.head;
  /** Undefined when it ends before. `length` is bounded by the caller. */
  const take = async (length: number): Promise<Buffer | undefined> => {
    const target = Buffer.allocUnsafe(length);
    for (let filled = 0; filled < length; ) {
      if (piece.length === 0) {
        throwIfAborted(signal);
        const next = await pieces.next();
        if (next.done) return undefined;
        piece = next.value;
        continue;
      }
      const part = piece.subarray(0, length - filled);
      target.set(part, filled);
      filled += part.length;
      piece = piece.subarray(part.length);
    }
    return target;
  };
  try {
    for (let at = 0; ; ) {
      const header = await take(tarBlockBytes);
      const member = header === undefined ? undefined : memberIn(header, at, archive.name);
      if (member === undefined) return;
      const length = padded(member.size);
      let taken = false;
      const bytes = async () => {
        taken = true;
        const all = await take(length);
        if (all === undefined) throw cutShort(archive.name);
        return all.subarray(0, member.size);
      };
      yield { name: member.name, size: member.size, bytes };
      if (!taken) await bytes();
      at = member.offset + length;
    }
  } finally {
    await peeled.close();
  }
}
