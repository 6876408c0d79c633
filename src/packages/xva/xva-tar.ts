/**
 * The members of an XVA, in their order, by seeking or as they come; and what their names mean.
 *
 *   ova.xml | Ref:12/00000000 | Ref:12/00000000.xxhash (or .checksum) | Ref:12/00000007 | … | Ref:13/00000000 …
 *
 * A disk lies in blocks of 1 MiB by their numbers. One that is left out holds zeros; the first and the last are always
 * there. A block of no bytes is there to keep a connection alive. Checksums: XXH64 in capital hexadecimal digits, or
 * SHA-1 (up to XenServer 8.2).
 */
import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import type { ByteSource } from '../../io/byte-source.ts';
import { readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { decodeTarHeader, tarBlockBytes } from '../ovf/tar-header.ts';

export const blockBytes = MiB;
export const descriptionName = 'ova.xml';

export interface XvaMember {
  readonly name: string;
  /** Of its bytes in the archive. */
  readonly offset: number;
  readonly size: number;
}

/** A block's directory and number; undefined for another member. */
export function blockOf(name: string): { readonly disk: string; readonly number: number } | undefined {
  const match = /^([^/]{1,90})\/(\d{8,12})$/.exec(name);
  return match === null ? undefined : { disk: match[1]!, number: Number(match[2]) };
}

export const padded = (bytes: number): number => Math.ceil(bytes / tarBlockBytes) * tarBlockBytes;

/** The header of a member; undefined at the end of the archive. @throws AppError `corrupt`, `unsupported`. */
export function memberIn(header: Uint8Array, at: number, where: string): XvaMember | undefined {
  const decoded = decodeTarHeader(header, `${where} at ${at}`);
  if (decoded === undefined) return undefined;
  const { name, sizeBytes, type } = decoded;
  if (type !== '0' && type !== '5') {
    throw new AppError(
      'unsupported',
      `${where} at ${at}: a member of the type "${type.replace(/[^\x20-\x7e]/g, '?')}"`,
      {
        where,
        hint: 'an XVA has plain files only',
      },
    );
  }
  if (sizeBytes > MiB * 64) {
    throw new AppError('corrupt', `a member of ${sizeBytes} bytes, where blocks have ${blockBytes}`, {
      where,
    });
  }
  return { name: name.replace(/^\.\//, ''), offset: at + tarBlockBytes, size: type === '5' ? 0 : sizeBytes };
}

/** What lies between two blocks: a checksum with its header, and the next header. */
const windowBytes = 4 * KiB;
/** Windows that are read at once where blocks lie at equal distances, as they mostly do. */
const windowsAhead = 16;

/** @throws AppError `corrupt` when a member is cut short. */
export async function* membersOf(archive: ByteSource, signal?: AbortSignal): AsyncGenerator<XvaMember> {
  const windowAt = windowsOf(archive, signal);
  let window: Buffer = Buffer.alloc(0);
  let start = 0;
  for (let at = 0; archive.size - at >= tarBlockBytes; ) {
    throwIfAborted(signal);
    if (at + tarBlockBytes > start + window.length) {
      start = at;
      window = await windowAt(at);
    }
    const member = memberIn(window.subarray(at - start, at - start + tarBlockBytes), at, archive.name);
    if (member === undefined) return;
    if (member.size > archive.size - member.offset) throw cutShort(archive.name);
    yield member;
    at = member.offset + padded(member.size);
  }
}

/** Reads windows at ascending places; those after it as well, when the last ones were at equal distances. */
function windowsOf(archive: ByteSource, signal: AbortSignal | undefined) {
  let ahead = new Map<number, Promise<Buffer>>();
  let last = 0;
  let step = 0;
  const read = (at: number) => readBytes(archive, at, Math.min(windowBytes, archive.size - at), signal);
  return (at: number): Promise<Buffer> => {
    const found = ahead.get(at) ?? read(at);
    ahead = new Map([...ahead].filter(([place]) => place > at));
    if (at - last === step) {
      for (let i = 1; i <= windowsAhead && at + i * step < archive.size; i++) {
        const place = at + i * step;
        if (ahead.has(place)) continue;
        const window = read(place);
        window.catch(() => undefined); // whoever asks for it is told
        ahead.set(place, window);
      }
    }
    step = at - last;
    last = at;
    return found;
  };
}

export const cutShort = (where: string): AppError =>
  new AppError('corrupt', 'the archive ends in the middle', {
    where,
    hint: 'the file is cut short; fetch it again',
  });

/** The checksum that a member beside a block holds, of the block's bytes. Undefined for what is none. */
export async function checksumFor(name: string, bytes: Uint8Array): Promise<string | undefined> {
  if (name.endsWith('.checksum')) return createHash('sha1').update(bytes).digest('hex');
  if (!name.endsWith('.xxhash')) return undefined;
  return xxhText(bytes);
}

/** Whether the member behind a block may be what `checksumFor` knows. */
export const isChecksumOf = (member: XvaMember, block: string): boolean =>
  member.name.startsWith(`${block}.`) && member.size <= longestChecksum;

/** Bytes, with some room. */
const longestChecksum = 100;

let hasher: ReturnType<typeof xxhash> | undefined;

export async function xxhText(bytes: Uint8Array): Promise<string> {
  hasher ??= xxhash();
  const { h64Raw } = await hasher;
  return h64Raw(bytes).toString(16).toUpperCase().padStart(16, '0');
}

export const wrongChecksum = (name: string, where: string): AppError =>
  new AppError('corrupt', `${name}: the bytes are not those of its checksum`, {
    where,
    hint: 'the file is damaged; fetch it again',
  });
