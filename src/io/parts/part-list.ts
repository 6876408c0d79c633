/**
 * What lies beside the parts of a file: their order, sizes and checksums, as text that `sha256sum -c` takes, too.
 *
 *     # parts of a file, by vmferry: 1
 *     # name: disk.qcow2
 *     # bytes: 10737418240
 *     # part bytes: 4293918720
 *     <SHA-256>  disk.qcow2.001
 *     # no checksum: disk.qcow2.002
 */

import { AppError } from '../../model/errors.ts';
import { mostParts, partName } from '../part-names.ts';

export interface ListedPart {
  readonly name: string;
  readonly size: number;
  /** In hex; undefined where it was written in a way that could not be followed. */
  readonly sha256: string | undefined;
}

export interface PartList {
  /** Of the file that the parts are when they are joined. */
  readonly name: string;
  readonly size: number;
  readonly partBytes: number;
  readonly parts: readonly ListedPart[];
}

const firstLine = '# parts of a file, by vmferry: ';
const version = '1';
const extension = '.parts';
/** 999 lines with names of 255 bytes take a third of it. */
export const longestList = 2 ** 20;

export const listName = (name: string): string => name + extension;
export const isListName = (name: string): boolean => name.endsWith(extension);
export const withoutListName = (name: string): string => name.slice(0, -extension.length);

export function partListText({ name, size, partBytes, parts }: PartList): string {
  return [
    firstLine + version,
    `# name: ${name}`,
    `# bytes: ${size}`,
    `# part bytes: ${partBytes}`,
    ...parts.map((part) =>
      part.sha256 === undefined ? `# no checksum: ${part.name}` : `${part.sha256}  ${part.name}`,
    ),
    '',
  ].join('\n');
}

export const looksLikeList = (head: string): boolean => head.startsWith(firstLine);

/** @throws AppError `corrupt`, `unsupported` for a later version. */
export function parsePartList(text: string, where: string): PartList {
  const wrong = (what: string) =>
    new AppError('corrupt', `the list of parts is damaged: ${what}`, {
      where,
      hint: 'fetch it again, or remove it: the parts can be joined without it, unchecked',
    });
  const [first = '', ...lines] = text.split(/\r?\n/);
  if (!looksLikeList(first)) throw wrong('no first line');
  if (first.slice(firstLine.length) !== version)
    throw new AppError('unsupported', `a list of parts of version ${first.slice(firstLine.length, 40)}`, {
      where,
    });
  const given = (key: string) => lines.find((line) => line.startsWith(`# ${key}: `))?.slice(key.length + 4);
  const number = (key: string) => {
    const value = Number(given(key) ?? Number.NaN);
    if (!Number.isSafeInteger(value) || value <= 0) throw wrong(`no "${key}"`);
    return value;
  };
  const name = given('name') ?? '';
  const size = number('bytes');
  const partBytes = number('part bytes');
  const count = Math.ceil(size / partBytes);
  if (name === '' || /[/\\\0]/.test(name) || count > mostParts) throw wrong('what it names can not be');
  const entries = lines.flatMap((line): { name: string; sha256: string | undefined }[] => {
    const summed = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (summed !== null) return [{ name: summed[2]!, sha256: summed[1]! }];
    const plain = /^# no checksum: (.+)$/.exec(line);
    return plain === null ? [] : [{ name: plain[1]!, sha256: undefined }];
  });
  const asNamed =
    entries.length === count && entries.every((entry, i) => entry.name === partName(name, i + 1));
  if (!asNamed) throw wrong(`it names ${entries.length} parts, expected ${count} in their order`);
  const parts = entries.map((entry, i) => ({ ...entry, size: Math.min(partBytes, size - i * partBytes) }));
  return { name, size, partBytes, parts };
}
