/**
 * What a disk arrives in and that is not read here: archives, and compressions other than ours. Their bytes are not
 * those of a disk; taken as a raw one they would give a disk of rubbish.
 */
import { AppError } from '../../model/errors.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { splitWrapperName } from './wrapper.ts';

/** What it is, where its mark lies, and the mark in hex; PKWARE's APPNOTE 4.3, and what the others' tools write. */
const marks: readonly (readonly [string, number, string])[] = [
  ['a ZIP archive', 0, '504b0304'],
  ['a ZIP archive', 0, '504b0708'],
  ['a 7z archive', 0, '377abcaf271c'],
  ['a RAR archive', 0, '526172211a07'],
  ['a tar archive', 257, '7573746172'],
  ['packed with lzip', 0, '4c5a495001'],
  ['packed with lzop', 0, '894c5a4f000d0a1a0a'],
  ['packed with compress', 0, '1f9d90'],
  ['a cabinet archive', 0, '4d53434600000000'],
  ['a WIM archive', 0, '4d5357494d000000'],
  ['a xar archive', 0, '78617221001c'],
];
export const archiveHeadBytes = 262;

/** What the head is of; undefined for anything else. */
export function archiveOf(head: Buffer): string | undefined {
  const found = marks.find(([, at, hex]) => head.toString('hex', at, at + hex.length / 2) === hex);
  return found?.[0] ?? (isLzma(head) ? 'packed with lzma' : undefined);
}

/** It has no magic: usual parameters, a dictionary of a power of two, a size not known or below 2^40. */
function isLzma(head: Buffer): boolean {
  if (head.length < 14 || head[0] !== 0x5d || head[13] !== 0) return false;
  const dictionary = head.readUInt32LE(1);
  const usual = dictionary >= 2 ** 16 && (dictionary & (dictionary - 1)) === 0;
  const size = head.readBigUInt64LE(5);
  return usual && (size === 2n ** 64n - 1n || (size > 0n && size < 2n ** 40n));
}

export const archiveError = (what: string, where: string): AppError =>
  new AppError('unsupported', `this is ${what}, not a disk`, {
    where,
    hint: 'unpack it first, and name the image in it; if it is a raw disk, say so with --from raw',
  });

/** For what has no mark of a disk. @throws AppError `unsupported` where it has that of an archive. */
export async function refuseArchive(source: ByteSource, signal?: AbortSignal): Promise<void> {
  if (source.access === 'forward') return;
  const head = await readBytes(source, 0, Math.min(archiveHeadBytes, source.size), signal);
  const what = archiveOf(head);
  if (what !== undefined) throw archiveError(what, source.name);
}

/** For what has neither a mark of being packed nor one of a disk. @throws AppError where its name says so. */
export function refusePackedName(name: string): void {
  const { wrapper } = splitWrapperName(name);
  if (wrapper === undefined) return;
  throw new AppError('corrupt', `the name says ${wrapper}, and there is no mark of it`, {
    where: name,
    hint: 'it is damaged, cut short or misnamed; if it is a raw disk, say so with --from raw',
  });
}
