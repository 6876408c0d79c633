/** What Rock Ridge adds to a folder record: names, modes, owners, links. SUSP 1.12, RRIP 1.12 (IEEE P1282). */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';
import { shortTime } from './record.ts';

export interface RockRidge {
  readonly name?: Buffer;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly modifiedAt?: number;
  readonly target?: Buffer;
  /** The block of the folder that this one stands for: it was moved, as it lay too deep. */
  readonly movedTo?: number;
  /** This is such a folder in its new place, which nobody should see. */
  readonly isMoved: boolean;
  /** Compressed by mkzftree. */
  readonly isPacked: boolean;
}

/** Areas that a record may go on in. */
const maxAreas = 32;
const maxAreaBytes = 65536;

/** Bytes to leave out at the start of each system use area; undefined when there is no Rock Ridge. */
export function sharingSkip(rootSelf: Buffer): number | undefined {
  const marked =
    rootSelf.length >= 7 && rootSelf.toString('latin1', 0, 2) === 'SP' && rootSelf.readUInt16BE(4) === 0xbeef;
  return marked ? rootSelf[6]! : undefined;
}

interface Field {
  readonly mark: string;
  readonly bytes: Buffer;
}

/** Two letters, length, version; CE leads to another area, ST ends. @throws AppError `corrupt`. */
async function* fieldsOf(looking: Looking, blockBytes: number, first: Buffer): AsyncGenerator<Field> {
  let area = first;
  for (let areas = 0; areas < maxAreas; areas++) {
    let next: Buffer | undefined;
    for (let at = 0; at + 4 <= area.length; ) {
      const length = area[at + 2]!;
      const mark = area.toString('latin1', at, at + 2);
      if (length < 4 || at + length > area.length || mark === 'ST') break;
      const bytes = area.subarray(at, at + length);
      if (mark === 'CE' && length >= 28) {
        const more = bytes.readUInt32LE(20);
        if (more > maxAreaBytes)
          throw new AppError('corrupt', `ISO 9660: a system use area of ${more} bytes`);
        next = await bytesAt(looking, bytes.readUInt32LE(4) * blockBytes + bytes.readUInt32LE(12), more);
      } else yield { mark, bytes };
      at += length;
    }
    if (next === undefined) return;
    area = next;
  }
  throw new AppError('corrupt', `ISO 9660: more than ${maxAreas} system use areas of one file`);
}

export async function rockRidgeOf(looking: Looking, blockBytes: number, area: Buffer): Promise<RockRidge> {
  let found: RockRidge = { isMoved: false, isPacked: false };
  const names: Buffer[] = [];
  const links: Buffer[] = [];
  for await (const { mark, bytes } of fieldsOf(looking, blockBytes, area)) {
    const long = bytes.length >= 36;
    if (mark === 'PX' && long) {
      found = {
        ...found,
        mode: bytes.readUInt32LE(4),
        uid: bytes.readUInt32LE(20),
        gid: bytes.readUInt32LE(28),
      };
    } else if (mark === 'NM' && bytes.length >= 5 && (bytes[4]! & 6) === 0) names.push(bytes.subarray(5));
    else if (mark === 'SL' && bytes.length >= 5) links.push(bytes.subarray(5));
    else if (mark === 'TF' && bytes.length >= 5) found = { ...found, ...timeIn(bytes) };
    else if (mark === 'CL' && bytes.length >= 12) found = { ...found, movedTo: bytes.readUInt32LE(4) };
    else if (mark === 'RE') found = { ...found, isMoved: true };
    else if (mark === 'ZF') found = { ...found, isPacked: true };
  }
  return {
    ...found,
    ...(names.length > 0 ? { name: Buffer.concat(names) } : {}),
    ...(links.length > 0 ? { target: joined(links) } : {}),
  };
}

/** Which times there are is told by bits: creation, then the last change. */
function timeIn(bytes: Buffer): { modifiedAt?: number } {
  const at = 5 + (bytes[4]! & 1) * 7;
  const isShort = (bytes[4]! & 0x80) === 0;
  return (bytes[4]! & 2) !== 0 && isShort && at + 7 <= bytes.length
    ? { modifiedAt: shortTime(bytes, at) }
    : {};
}

/** Components with flags and a length: 1 goes on in the next, 2 `.`, 4 `..`, 8 the root. */
function joined(fields: readonly Buffer[]): Buffer {
  const all = Buffer.concat(fields);
  const parts: Buffer[] = [];
  let open = false;
  for (let at = 0; at + 2 <= all.length; ) {
    const flags = all[at]!;
    const end = at + 2 + all[at + 1]!;
    if (end > all.length) throw new AppError('corrupt', 'ISO 9660: a link goes past its field');
    const text = (flags & 2) !== 0 ? '.' : (flags & 4) !== 0 ? '..' : '';
    const part = text === '' ? all.subarray(at + 2, end) : Buffer.from(text);
    if (open) parts[parts.length - 1] = Buffer.concat([parts.at(-1)!, part]);
    // The root is an empty part in front of the first slash.
    else parts.push((flags & 8) !== 0 ? Buffer.alloc(0) : part);
    open = (flags & 1) !== 0;
    at = end;
  }
  if (parts.length === 1 && parts[0]!.length === 0) return Buffer.from('/');
  return Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1');
}
