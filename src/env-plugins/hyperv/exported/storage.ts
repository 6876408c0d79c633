/** Reads a whole "HyperVStorage" file into a tree; see `storage-layout.ts`. Nothing in it is taken at its word. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { SettingNode, SettingValue } from './settings.ts';
import {
  filePointer,
  headerOffsets,
  keyEntry,
  keyTable,
  keyTypes,
  knownVersion,
  logHeader,
  objectEntry,
  objectTable,
  objectTableOffset,
  objectTypes,
  pointsToFile,
  signatures,
  storageHeader,
} from './storage-layout.ts';

/** Those of machines have some 100 KiB. */
export const largestStorage = 16 * MiB;
const mostObjects = 65_536;
const mostKeys = 200_000;

export interface Storage {
  readonly root: SettingNode;
  /** Changes in its log that are not yet in its tables. */
  readonly pending: number;
}

interface Node extends SettingNode {
  readonly children: Map<string, Node>;
}

interface Key {
  readonly name: string;
  readonly parentTable: number;
  readonly parentOffset: number;
  readonly node: Node;
}

interface Objects {
  readonly keyTables: { readonly offset: number; readonly size: number }[];
  /** Sizes by offset. */
  readonly files: Map<number, number>;
}

/** @throws AppError `corrupt`, `unsupported`. */
export function readStorage(bytes: Buffer, where: string): Storage {
  if (bytes.length > largestStorage)
    throw new AppError('unsupported', `${bytes.length} bytes are too many for settings`, { where });
  const refuse = (message: string) => new AppError('corrupt', message, { where });
  const header = activeHeader(bytes, where);
  const objects = readObjects(bytes, refuse);
  const tables = new Map<number, { sequence: number; keys: Map<number, Key> }>();
  const budget = { keys: mostKeys };
  for (const { offset, size } of objects.keyTables) {
    const table = part(bytes, offset, size, refuse);
    const { signature, index, sequence } = keyTable.decode(table);
    if (signature !== signatures.keys) throw refuse(`key table at ${offset}: signature ${signature}`);
    const known = tables.get(index);
    if (known !== undefined && !isLater(sequence, known.sequence)) continue;
    tables.set(index, { sequence, keys: readKeys(bytes, table, objects, budget, refuse) });
  }
  const root: Node = { children: new Map(), value: () => undefined };
  for (const { keys } of tables.values()) {
    for (const { name, parentTable, parentOffset, node } of keys.values()) {
      const parent = parentTable === 0 ? root : tables.get(parentTable)?.keys.get(parentOffset)?.node;
      if (parent === undefined) throw refuse(`the key "${name}" hangs on none`);
      // Names of devices are written in both cases.
      const key = name.toLowerCase();
      if (!parent.children.has(key)) parent.children.set(key, node);
    }
  }
  return { root, pending: pendingChanges(bytes, header.logOffset, refuse) };
}

type Refuse = (message: string) => AppError;

/** @throws AppError `corrupt` when the range is not in the file. */
function part(bytes: Buffer, offset: number, size: number, refuse: Refuse): Buffer {
  if (offset > bytes.length || size > bytes.length - offset)
    throw refuse(`${size} bytes at ${offset} where the file ends at ${bytes.length}`);
  return bytes.subarray(offset, offset + size);
}

/** Of two numbers of 16 bits that are counted up. */
const isLater = (a: number, b: number): boolean => a !== b && ((a - b) & 0xffff) < 0x8000;

function activeHeader(bytes: Buffer, where: string) {
  const found = headerOffsets
    .filter((offset) => offset + storageHeader.bytes <= bytes.length)
    .filter((offset) => bytes.readUInt32LE(offset) === signatures.header)
    .map((offset) => storageHeader.decode(bytes, offset));
  const [first, second] = found;
  if (first === undefined)
    throw new AppError('corrupt', 'no settings of Hyper-V: neither of its two headers is there', { where });
  const header = second !== undefined && isLater(second.sequence, first.sequence) ? second : first;
  if (header.version !== knownVersion) {
    throw new AppError(
      'unsupported',
      `settings of layout 0x${header.version.toString(16)}, known is 0x${knownVersion.toString(16)}`,
      { where },
    );
  }
  return header;
}

function pendingChanges(bytes: Buffer, offset: number, refuse: Refuse): number {
  if (offset === 0) return 0;
  const { signature, entries } = logHeader.decode(part(bytes, offset, logHeader.bytes, refuse));
  if (signature !== signatures.log) throw refuse(`log at ${offset}: signature 0x${signature.toString(16)}`);
  return entries;
}

function readObjects(bytes: Buffer, refuse: Refuse): Objects {
  const objects: Objects = { keyTables: [], files: new Map() };
  const queue: number[] = [objectTableOffset];
  const seen = new Set<number>(queue);
  let left = mostObjects;
  for (let table = queue.shift(); table !== undefined; table = queue.shift()) {
    const head = objectTable.decode(part(bytes, table, objectTable.bytes, refuse));
    if (head.signature !== signatures.objects)
      throw refuse(`object table at ${table}: signature 0x${head.signature.toString(16)}`);
    left -= head.entries;
    if (left < 0) throw refuse(`more than ${mostObjects} objects`);
    const entries = part(bytes, table + objectTable.bytes, head.entries * objectEntry.bytes, refuse);
    for (let at = 0; at < entries.length; at += objectEntry.bytes) {
      const { type, allocated } = objectEntry.decode(entries, at);
      if (allocated === 0) continue;
      const known = Object.values(objectTypes).some((one) => one === type);
      if (!known) continue;
      const { offset, size } = objectEntry.decode(entries, at);
      if (type === objectTypes.file) objects.files.set(offset, size);
      if (seen.has(offset)) continue;
      seen.add(offset);
      if (type === objectTypes.objectTable) queue.push(offset);
      if (type === objectTypes.keyTable) objects.keyTables.push({ offset, size });
    }
  }
  return objects;
}

/** By their offsets in the table. */
function readKeys(
  bytes: Buffer,
  table: Buffer,
  { files }: Objects,
  budget: { keys: number },
  refuse: Refuse,
): Map<number, Key> {
  const keys = new Map<number, Key>();
  for (let at: number = keyTable.bytes; at + keyEntry.bytes <= table.length; ) {
    const { type, flags, size, parentTable, parentOffset, dataOffset } = keyEntry.decode(table, at);
    if (size === 0) break;
    if (size < keyEntry.bytes || size > table.length - at) throw refuse(`a key of ${size} bytes`);
    if (budget.keys-- <= 0) throw refuse(`more than ${mostKeys} keys`);
    const own = table.subarray(at + keyEntry.bytes, at + size);
    if (type !== keyTypes.free) {
      if (dataOffset === 0 || dataOffset > own.length)
        throw refuse(`a key whose name has ${dataOffset} bytes`);
      const name = own.toString('utf8', 0, dataOffset - 1);
      const data = own.subarray(dataOffset);
      // Read when it is asked for: many keys may point to one large value.
      const read = () =>
        (flags & pointsToFile) === 0
          ? decodeValue(type, data, true)
          : decodeValue(type, fileValue(bytes, data, files, refuse), false);
      keys.set(at, {
        name,
        parentTable,
        parentOffset,
        node: { children: new Map(), value: read },
      });
    }
    at += size;
  }
  return keys;
}

function fileValue(bytes: Buffer, data: Buffer, files: Objects['files'], refuse: Refuse): Buffer {
  const { size, offset } = filePointer.decode(data);
  if (size > (files.get(offset) ?? 0)) throw refuse(`a value of ${size} bytes at ${offset}, where none is`);
  return part(bytes, offset, size, refuse);
}

/** `measured`: text and bytes have their length before them. Undefined for what is not understood. */
function decodeValue(type: number, data: Buffer, measured: boolean): SettingValue | undefined {
  switch (type) {
    case keyTypes.integer:
      return data.length < 8 ? undefined : exact(data.readBigInt64LE());
    case keyTypes.unsigned:
      return data.length < 8 ? undefined : exact(data.readBigUInt64LE());
    case keyTypes.double:
      return data.length < 8 ? undefined : data.readDoubleLE();
    case keyTypes.flag:
      return data.length < 4 ? undefined : data.readUInt32LE() !== 0;
    case keyTypes.text:
      return bytesIn(data, measured)?.toString('utf16le').replace(/\0+$/, '');
    case keyTypes.bytes:
      return bytesIn(data, measured);
    default:
      return undefined;
  }
}

function bytesIn(data: Buffer, measured: boolean): Buffer | undefined {
  if (!measured) return data;
  if (data.length < 4) return undefined;
  const length = data.readUInt32LE();
  return length > data.length - 4 ? undefined : data.subarray(4, 4 + length);
}

function exact(value: bigint): number | undefined {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
