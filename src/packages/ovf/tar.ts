/** The table of contents of a tar archive (an OVA), by seeking from header to header; no member is read. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { decodeTarHeader, tarBlockBytes } from './tar-header.ts';

export interface TarMember {
  /** With a leading `./` taken off; safe: relative, no `..`. */
  readonly name: string;
  /** Of its bytes in the archive. */
  readonly offset: number;
  readonly size: number;
}

export interface TarIndex {
  /** Files only, in the archive's order. */
  readonly members: readonly TarMember[];
  readonly findings: readonly Finding[];
}

const memberLimit = 100_000;
const extendedLimit = 1024 * 1024;
/** Read at each header, so that small neighbours cost no read of their own. */
const windowBytes = 16 * 1024;

/** Names that a pax record or GNU's `L` gives to the header behind it. */
interface Extended {
  name?: string;
  size?: number;
}

/**
 * @throws AppError `corrupt` for a damaged archive, a member past the end, two members of one name, an unsafe
 * name; `unsupported` for links, devices and sparse members.
 */
export async function readTarIndex(source: ByteSource, signal?: AbortSignal): Promise<TarIndex> {
  if (source.access !== 'random') throw new AppError('bug', `${source.name} can't be read at random`);
  const members = new Map<string, TarMember>();
  const findings: Finding[] = [];
  const blockAt = windowReader(source, signal);
  let extended: Extended = {};
  let at = 0;
  for (let headers = 0; ; headers++) {
    throwIfAborted(signal);
    const where = `${source.name} at ${at}`;
    if (headers > memberLimit)
      throw new AppError('unsupported', `more than ${memberLimit} members`, { where });
    if (source.size - at < tarBlockBytes) {
      findings.push(noEnd(source, at));
      break;
    }
    const header = decodeTarHeader(await blockAt(at), where);
    if (header === undefined) break; // the first of the two blocks of zeros at the end
    const offset = at + tarBlockBytes;
    const isExtension = 'xgLK'.includes(header.type);
    const size = isExtension ? header.sizeBytes : (extended.size ?? header.sizeBytes);
    if (size > source.size - offset) {
      throw new AppError(
        'corrupt',
        `"${header.name}" of ${size} bytes goes past the archive's end (${source.size} bytes)`,
        { where, hint: 'the archive is cut short; fetch it again' },
      );
    }
    at = offset + Math.ceil(size / tarBlockBytes) * tarBlockBytes;
    if (isExtension) {
      extended = await readExtension(source, header.type, offset, size, extended, where, signal);
      continue;
    }
    const name = safeName(extended.name ?? header.name, where);
    extended = {};
    if (header.type === '5') continue;
    if (header.type !== '0' && header.type !== '7') throw notAFile(header.type, name, where);
    if (name.endsWith('/')) continue; // a folder, as the oldest tars write it
    if (members.has(name)) {
      throw new AppError('corrupt', `"${name}" is in the archive twice`, {
        where,
        hint: "which one is meant can't be known; make the archive anew",
      });
    }
    members.set(name, { name, offset, size });
  }
  if (members.size === 0) throw new AppError('corrupt', 'the archive holds no file', { where: source.name });
  return { members: [...members.values()], findings };
}

function noEnd(source: ByteSource, at: number): Finding {
  if (at < source.size) {
    throw new AppError('corrupt', `${source.size - at} bytes where a tar header of 512 is expected`, {
      where: `${source.name} at ${at}`,
      hint: 'the archive is cut short; fetch it again',
    });
  }
  return {
    rule: 'ova.no-end-mark',
    severity: 'warning',
    message: 'the archive has no end mark (two blocks of zeros); members behind the last one may be missing',
    evidence: source.name,
  };
}

function windowReader(source: ByteSource, signal: AbortSignal | undefined) {
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  return async (at: number): Promise<Buffer> => {
    if (at < start || at + tarBlockBytes > start + window.length) {
      window = await readBytes(source, at, Math.min(windowBytes, source.size - at), signal);
      start = at;
    }
    return window.subarray(at - start, at - start + tarBlockBytes);
  };
}

async function readExtension(
  source: ByteSource,
  type: string,
  offset: number,
  size: number,
  before: Extended,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Extended> {
  if (size > extendedLimit) throw new AppError('corrupt', `a tar extension of ${size} bytes`, { where });
  if (type === 'K') return before; // the name of a link: the link itself is refused
  const bytes = await readBytes(source, offset, size, signal);
  if (type === 'L') {
    const end = bytes.indexOf(0);
    return { ...before, name: bytes.toString('utf8', 0, end < 0 ? size : end) };
  }
  const records = paxRecords(bytes, where);
  if (type === 'g') {
    if (records.has('path') || records.has('size')) {
      throw new AppError('unsupported', 'a global pax header that names or sizes every member', { where });
    }
    return before;
  }
  const sparse = [...records.keys()].find((key) => key.startsWith('GNU.sparse.'));
  if (sparse !== undefined) {
    throw new AppError('unsupported', 'a sparse member', {
      where,
      hint: "make the archive without tar's --sparse",
    });
  }
  const name = records.get('path');
  const sizeText = records.get('size');
  if (sizeText !== undefined && (!/^\d+$/.test(sizeText) || !Number.isSafeInteger(Number(sizeText)))) {
    throw new AppError('corrupt', `a pax size of "${sizeText}"`, { where });
  }
  return {
    ...before,
    ...(name === undefined ? {} : { name }),
    ...(sizeText === undefined ? {} : { size: Number(sizeText) }),
  };
}

/** POSIX pax: `length key=value\n`, the length counting the whole record, itself included. */
function paxRecords(bytes: Buffer, where: string): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space);
    const length = /^\d{1,7}$/.test(digits) ? Number(digits) : 0;
    const equals = bytes.indexOf(0x3d, space);
    const end = at + length;
    if (length < 5 || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a) {
      throw new AppError('corrupt', 'a pax header that is not in records', { where });
    }
    records.set(bytes.toString('utf8', space + 1, equals), bytes.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** @throws AppError `corrupt` for a name that would leave the folder it is meant for. */
export function safeName(name: string, where: string): string {
  const plain = name.replace(/^(?:\.\/+)+/, '');
  const unsafe =
    name === '' ||
    /^[/\\]|^[A-Za-z]:/.test(plain) ||
    /[\0-\x1f\x7f]/.test(plain) ||
    plain.split(/[/\\]/).includes('..');
  if (unsafe) {
    throw new AppError('corrupt', `the name ${JSON.stringify(name)} leaves its folder or can't be shown`, {
      where,
      hint: "don't trust this archive; make it anew from files of plain names",
    });
  }
  return plain === '' ? './' : plain;
}

function notAFile(type: string, name: string, where: string): AppError {
  const kinds: Record<string, string> = {
    '1': 'a hard link',
    '2': 'a symbolic link',
    '3': 'a device',
    '4': 'a device',
    '6': 'a named pipe',
    S: 'a sparse member',
    V: 'a volume label',
    M: 'a part of a member of another archive',
  };
  return new AppError(
    'unsupported',
    `"${name}" is ${kinds[type] ?? `of the unknown type "${type}"`}, not a file`,
    {
      where,
      hint: 'make the archive with plain files only',
    },
  );
}
