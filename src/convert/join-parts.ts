/**
 * A file that was cut into parts (`disk.raw.001`, `.002` …), joined again before a codec sees it: so it may be of
 * any format, and packed as well.
 */
import { basename } from 'node:path';
import { probeFormat } from '../codecs/registry.ts';
import type { OpenDisk } from '../env-plugins/plugin.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { concatenated, sourceDisk } from '../io/disk.ts';
import { mostParts, partName, splitPartName } from '../io/part-names.ts';
import { joinByList } from '../io/parts/join-list.ts';
import { AppError, toAppError } from '../model/errors.ts';

export interface JoinedDisk {
  readonly disk: OpenDisk;
  /** The names of all parts; empty for a file that is whole. */
  readonly parts: readonly string[];
  /** Where a list of them is there: all bytes against it. @throws AppError `corrupt`, naming the part. */
  verify?(signal?: AbortSignal): Promise<void>;
}

export interface JoinOptions {
  readonly follow: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The disk whole. A set begins with 000 or 001. On an error the disk is still the caller's to close.
 * @throws AppError `usage` for a part that is not the first, `corrupt` for a set that does not fit together.
 */
export async function joinParts(disk: OpenDisk, options: JoinOptions): Promise<JoinedDisk> {
  const { source } = disk;
  const { follow, signal } = options;
  const whole = { disk, parts: [] };
  const { inner, part } = splitPartName(basename(source.name));
  if (source.access === 'forward' || disk.format !== undefined || disk.gzip) return whole;
  const listed = await joinByList(disk, part === undefined ? undefined : inner, options);
  if (listed !== undefined) {
    const { parts, verify } = listed;
    return { disk: { ...disk, source: listed.source }, parts, verify };
  }
  if (part === undefined) return whole;
  if (part > 0) await refuseLaterPart(disk, inner, part);
  const opened: ByteSource[] = [];
  try {
    for (let next = part + 1; ; next++) {
      const found = await partAt(disk, partName(inner, next));
      if (found === undefined) break;
      opened.push(found.source);
      if (found.outside && !follow) {
        throw new AppError('unsupported', 'a part that lies outside the folder of the first', {
          where: found.source.name,
          hint: 'if you trust it, say so with --follow',
        });
      }
      if (opened.length >= mostParts) throw new AppError('unsupported', `more than ${mostParts} parts`);
    }
    const [second] = opened;
    // Copies numbered by age are no parts: each bears a mark of its own.
    if (second !== undefined && (await bearsMark(source, signal)) && (await bearsMark(second, signal))) {
      await Promise.all(opened.map((s) => s.close()));
      return whole;
    }
    await refuseGap(disk, inner, part + opened.length);
    if (opened.length === 0) return whole;
    refuseUnequal([source, ...opened]);
    return { disk: { ...disk, source: joined([source, ...opened]) }, parts: namesOf([source, ...opened]) };
  } catch (error) {
    await Promise.all(opened.map((s) => s.close()));
    throw error;
  }
}

const namesOf = (sources: readonly ByteSource[]): string[] => sources.map((s) => s.name);

function joined(sources: readonly ByteSource[]): ByteSource {
  const disk = concatenated(sources.map((s) => sourceDisk(s)));
  const [first] = sources;
  return {
    name: first!.name,
    size: disk.size,
    access: 'random',
    ...(first!.modifiedAt === undefined ? {} : { modifiedAt: first!.modifiedAt }),
    read: (target, offset, signal) => disk.read(target, offset, signal),
    extents: (from, to, signal) => disk.extents(from, to, signal),
    close: () => disk.close(),
  };
}

async function partAt(disk: OpenDisk, name: string): Promise<OpenDisk | undefined> {
  try {
    return await disk.sibling(name);
  } catch (error) {
    if (toAppError(error).kind === 'not-found') return undefined;
    throw error;
  }
}

async function isThere(disk: OpenDisk, name: string): Promise<boolean> {
  const found = await partAt(disk, name);
  await found?.source.close();
  return found !== undefined;
}

async function refuseLaterPart(disk: OpenDisk, inner: string, part: number): Promise<void> {
  if (await bearsMark(disk.source)) return; // an image of its own
  for (const first of [0, 1].filter((number) => number < part)) {
    if (!(await isThere(disk, partName(inner, first)))) continue;
    throw new AppError('usage', `this is part ${part} of a disk that was cut into parts`, {
      where: disk.source.name,
      hint: `name the first one: ${partName(inner, first)}`,
    });
  }
  if (part > 1 && (await isThere(disk, partName(inner, part - 1)))) throw missing(disk, partName(inner, 1));
}

/** Two formats that claim it are for the codecs to tell of. */
async function bearsMark(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  const probed = await probeFormat(source, signal).catch((error) => {
    if (toAppError(error).kind === 'unsupported') return { sure: true };
    throw error;
  });
  return probed.sure;
}

/** Nothing may follow the first number that is not there. */
async function refuseGap(disk: OpenDisk, inner: string, last: number): Promise<void> {
  const names = (await disk.neighbours?.()) ?? [];
  const beyond = names.some((name) => {
    const other = splitPartName(name);
    return other.inner === inner && other.part !== undefined && other.part > last + 1;
  });
  const alone = splitPartName(disk.source.name).part === last;
  if (beyond && !(alone && (await bearsMark(disk.source)))) throw missing(disk, partName(inner, last + 1));
}

const missing = (disk: OpenDisk, name: string) =>
  new AppError('corrupt', `a part is missing: ${name}`, {
    where: disk.source.name,
    hint: 'put all parts into one folder',
  });

function refuseUnequal(parts: readonly ByteSource[]): void {
  const { size } = parts[0]!;
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    if (part.size === size || (last && part.size < size && part.size > 0)) continue;
    throw new AppError(
      'corrupt',
      `the parts do not fit together: the first has ${size} bytes, this one ${part.size}`,
      { where: part.name, hint: 'all but the last are of one size: fetch this part again' },
    );
  }
}
