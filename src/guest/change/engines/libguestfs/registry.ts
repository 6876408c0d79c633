/** Registry edits as text for hivexregedit, which merges them into a hive. Every value is given as its bytes. */
import { AppError } from '../../../../model/errors.ts';
import type { RegistryEdit, RegistryValue } from '../../edit.ts';

/** As they stand in hives. */
const types = { sz: 1, 'expand-sz': 2, binary: 3, dword: 4, 'multi-sz': 7 } as const;

export const registryPrefix = 'HKEY_LOCAL_MACHINE\\HIVE';

const printable = /^[\x20-\x7e]*$/;

/** Why these edits can't be said to hivexregedit; undefined when they can. */
export function registryRefusal(edits: readonly RegistryEdit[]): string | undefined {
  for (const { key, name = '' } of edits) {
    if (!printable.test(key) || key.includes(']') || !printable.test(name))
      return 'keys and names of the registry are written in ASCII only';
  }
  return undefined;
}

/** The text of a .reg file, with `registryPrefix` for the hive's root. */
export function registryText(edits: readonly RegistryEdit[]): string {
  const refused = registryRefusal(edits);
  if (refused !== undefined) throw new AppError('unsupported', refused);
  const parts = edits.flatMap(({ key, name, value }) => {
    const path = `${registryPrefix}\\${key}`;
    const left = name === '' ? '@' : `"${name?.replace(/[\\"]/g, (sign) => `\\${sign}`)}"`;
    if (value === undefined) return name === undefined ? [`[-${path}]\n`] : [`[${path}]\n${left}=-\n`];
    return [...parentsOf(key), `[${path}]\n${name === undefined ? '' : `${left}=${hexOf(value)}\n`}`];
  });
  return `Windows Registry Editor Version 5.00\n\n${parts.join('\n')}`;
}

/** hivexregedit makes no parents. */
function parentsOf(key: string): string[] {
  const names = key.split('\\');
  return names.slice(1).map((_, i) => `[${registryPrefix}\\${names.slice(0, i + 1).join('\\')}]\n`);
}

const hexOf = (value: RegistryValue): string =>
  `hex(${types[value.type].toString(16)}):${[...valueBytes(value)].map((byte) => byte.toString(16).padStart(2, '0')).join(',')}`;

/** As Windows keeps it: text in UTF-16, ended by a NUL; a list ended by one more. */
export function valueBytes(value: RegistryValue): Buffer {
  switch (value.type) {
    case 'sz':
    case 'expand-sz':
      return Buffer.from(`${value.data}\0`, 'utf16le');
    case 'multi-sz':
      return Buffer.from(`${value.data.map((text) => `${text}\0`).join('')}\0`, 'utf16le');
    case 'dword': {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value.data);
      return bytes;
    }
    case 'binary':
      return value.data;
  }
}
