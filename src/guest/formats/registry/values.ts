/** Values of the registry: typed data, whatever lengths and ends a program has given it. */
import type { Cells } from './cells.ts';
import { keyValue, type ValueType, valueNameIsLatin, valueTypes } from './layout.ts';

export interface RegistryValue {
  /** Empty for the key's default value. */
  readonly name: string;
  /** `REG_0x…` for those of no name, as some drivers have them. */
  readonly type: ValueType | `REG_0x${string}`;
  /** The data as it lies there. */
  readonly data: Buffer;
}

export function utf16(bytes: Buffer): string {
  return bytes.toString('utf16le', 0, bytes.length & ~1);
}

export function nameOf(bytes: Buffer, latin: boolean): string {
  return latin ? bytes.toString('latin1') : utf16(bytes);
}

/** A value whose data has not been read yet. */
export interface ValueHead {
  readonly name: string;
  /** @throws AppError `corrupt`. */
  read(): Promise<RegistryValue>;
}

/** @throws AppError `corrupt`. */
export async function valueHead(cells: Cells, offset: number): Promise<ValueHead> {
  const cell = await cells.cell(offset, keyValue.bytes + 0xffff);
  if (cell.length < keyValue.bytes) throw cells.noSuch('vk', offset);
  const head = keyValue.decode(cell);
  if (head.signature !== 'vk' || cell.length < keyValue.bytes + head.nameBytes)
    throw cells.noSuch('vk', offset);
  const name = nameOf(
    cell.subarray(keyValue.bytes, keyValue.bytes + head.nameBytes),
    (head.flags & valueNameIsLatin) !== 0,
  );
  const bytes = head.dataBytes & 0x7fffffff;
  const resident = head.dataBytes >>> 31 === 1;
  if (resident && bytes > 4) throw cells.noSuch('vk', offset);
  const type = valueTypes[head.type] ?? (`REG_0x${head.type.toString(16)}` as const);
  return {
    name,
    async read() {
      if (resident) return { name, type, data: cell.subarray(8, 8 + bytes) };
      return { name, type, data: bytes === 0 ? Buffer.alloc(0) : await cells.data(head.dataCell, bytes) };
    },
  };
}

/** The text of a string value up to its first NUL; the first string of several. */
export function textOfValue({ type, data }: RegistryValue): string | undefined {
  if (!['REG_SZ', 'REG_EXPAND_SZ', 'REG_LINK', 'REG_MULTI_SZ'].includes(type)) return undefined;
  const text = utf16(data);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The strings of a REG_MULTI_SZ, to the first empty one; a REG_SZ counts as one string. */
export function textsOfValue(value: RegistryValue): string[] | undefined {
  if (value.type !== 'REG_MULTI_SZ') {
    const text = textOfValue(value);
    return text === undefined ? undefined : [text];
  }
  const texts = utf16(value.data).split('\0');
  const end = texts.indexOf('');
  return end < 0 ? texts : texts.slice(0, end);
}

/** A REG_DWORD (either order) or REG_QWORD that is a safe number. */
export function numberOfValue({ type, data }: RegistryValue): number | undefined {
  if (type === 'REG_DWORD' && data.length >= 4) return data.readUInt32LE(0);
  if (type === 'REG_DWORD_BIG_ENDIAN' && data.length >= 4) return data.readUInt32BE(0);
  if (type !== 'REG_QWORD' || data.length < 8) return undefined;
  const value = data.readBigUInt64LE(0);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
