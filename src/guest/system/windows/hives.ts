/** The registry hives of a Windows, read where they lie: they may have a hundred megabytes. */
import type { Files } from '../../filesystems/files.ts';
import { type Hive, openHive, type RegistryKey } from '../../formats/registry/open-hive.ts';
import { numberOfValue, textOfValue } from '../../formats/registry/values.ts';
import { plainText } from '../../text.ts';

const folder = '/Windows/System32/config';
const maxLogBytes = 64 * 1024 * 1024;
/** A busy server has some thousand. */
export const maxKeys = 10_000;

/** Undefined where there is none. @throws AppError `corrupt`, `unsupported`. */
export async function hiveAt(files: Files, name: string): Promise<Hive | undefined> {
  const path = `${folder}/${name}`;
  const file = await files.open(path);
  if (file === undefined || file.stat.size === 0) return undefined;
  const reader = {
    size: file.stat.size,
    read: (offset: number, length: number) => file.readAt(offset, length),
  };
  const head = await file.readAt(0, 12);
  // Both numbers are the same when all was written: the logs then tell nothing.
  const settled = head.length === 12 && head.readUInt32LE(4) === head.readUInt32LE(8);
  const logs: Buffer[] = [];
  for (const end of settled ? [] : ['LOG1', 'LOG2', 'LOG']) {
    const log = await files.read(`${path}.${end}`, maxLogBytes);
    if (log !== undefined && log.length > 0) logs.push(log);
  }
  return openHive(reader, { name: path, logs });
}

export async function text(key: RegistryKey | undefined, name: string): Promise<string | undefined> {
  const value = await key?.value(name);
  const found = value === undefined ? undefined : textOfValue(value);
  return found === undefined ? undefined : plainText(found);
}

export async function number(key: RegistryKey | undefined, name: string): Promise<number | undefined> {
  const value = await key?.value(name);
  return value === undefined ? undefined : numberOfValue(value);
}
