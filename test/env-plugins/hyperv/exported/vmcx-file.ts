/**
 * Writes a .vmcx as published readings of it describe the container, byte by byte and apart from the reader's own
 * tables: two headers, an object table with a second one behind it, keys in several tables, large values in blocks of
 * their own, keys that are free.
 */
export type Tree = { readonly [name: string]: Tree | string | number | boolean | Uint8Array };

export interface VmcxOptions {
  /** Keys in one key table. */
  readonly perTable?: number;
  /** Changes in the log. */
  readonly pending?: number;
  readonly version?: number;
}

interface Key {
  readonly name: string;
  readonly value: Tree[string];
  readonly parent: Key | undefined;
  table: number;
  offset: number;
}

const align = 0x1000;
const largeFrom = 0x800;

export function vmcxFile(tree: Tree, options: VmcxOptions = {}): Buffer {
  const { perTable = 12, pending = 0, version = 0x400 } = options;
  const keys = flatten(tree);
  const blocks: Buffer[] = [];
  const objects: { type: number; offset: number; size: number; allocated: number }[] = [];
  // Headers, object table and log have the first pages.
  let end = 0x6000;
  const place = (type: number, block: Buffer, allocated = 1) => {
    const size = Math.ceil(block.length / align) * align;
    objects.push({ type, offset: end, size, allocated });
    blocks.push(Buffer.concat([block, Buffer.alloc(size - block.length)]));
    end += size;
    return end - size;
  };
  const large = new Map<Key, { offset: number; size: number }>();
  for (const key of keys) {
    const bytes = typeof key.value === 'string' ? Buffer.from(key.value, 'utf16le') : key.value;
    if (bytes instanceof Uint8Array && bytes.length >= largeFrom)
      large.set(key, { offset: place(3, Buffer.from(bytes)), size: bytes.length });
  }
  const tables: Key[][] = [];
  for (let at = 0; at < keys.length; at += perTable) tables.push(keys.slice(at, at + perTable));
  for (const [index, table] of tables.entries()) {
    let offset = 10 + 40; // a free one is first
    for (const key of table) {
      key.table = index + 1;
      key.offset = offset;
      offset += entryOf(key, large.get(key)).length;
    }
  }
  // The tables in disorder, one of them with an older copy that has other values.
  for (const index of [...tables.keys()].reverse()) {
    const table = tables[index]!;
    place(2, tableOf(index + 1, 7, table, large));
    if (index === 0) place(2, tableOf(1, 6, [{ ...table[0]!, name: 'stale' }], large));
  }
  place(2, Buffer.alloc(64, 0xee), 0); // freed, and never cleared
  return Buffer.concat([front(objects, { version, pending }), ...blocks]);
}

function flatten(tree: Tree, parent?: Key): Key[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const key: Key = { name, value, parent, table: 0, offset: 0 };
    return [key, ...(isNode(value) ? flatten(value, key) : [])];
  });
}

const isNode = (value: Tree[string]): value is Tree =>
  typeof value === 'object' && !(value instanceof Uint8Array);

function tableOf(
  index: number,
  sequence: number,
  keys: readonly Key[],
  large: Map<Key, { offset: number; size: number }>,
) {
  const head = Buffer.alloc(10);
  head.writeUInt16LE(2, 0);
  head.writeUInt16LE(index, 2);
  head.writeUInt16LE(sequence, 4);
  const free = Buffer.alloc(40, 0xaa);
  free.writeUInt16LE(1, 0);
  free.writeUInt32LE(40, 2);
  return Buffer.concat([head, free, ...keys.map((key) => entryOf(key, large.get(key)))]);
}

function entryOf(key: Key, pointer: { offset: number; size: number } | undefined): Buffer {
  const name = Buffer.from(`${key.name}\0`);
  const [type, data] = valueOfKey(key.value);
  const shown = pointer === undefined ? data : Buffer.alloc(12);
  if (pointer !== undefined) {
    shown.writeUInt32LE(pointer.size, 0);
    shown.writeBigUInt64LE(BigInt(pointer.offset), 4);
  }
  const head = Buffer.alloc(21);
  head.writeUInt16LE(type | (pointer === undefined ? 0 : 0x100), 0);
  head.writeUInt32LE(21 + name.length + shown.length + 3, 2);
  head.writeUInt16LE(key.parent?.table ?? 0, 6);
  head.writeUInt32LE(key.parent?.offset ?? 0, 8);
  head.writeUInt8(name.length, 20);
  return Buffer.concat([head, name, shown, Buffer.alloc(3)]);
}

function valueOfKey(value: Tree[string]): [number, Buffer] {
  const data = Buffer.alloc(8);
  if (typeof value === 'number') {
    if (Number.isInteger(value)) data.writeBigInt64LE(BigInt(value));
    else data.writeDoubleLE(value);
    return [Number.isInteger(value) ? 3 : 5, data];
  }
  if (typeof value === 'boolean') {
    data.writeUInt32LE(value ? 1 : 0);
    return [8, data.subarray(0, 4)];
  }
  if (typeof value === 'string') return [6, measured(Buffer.from(`${value}\0`, 'utf16le'))];
  if (value instanceof Uint8Array) return [7, measured(Buffer.from(value))];
  return [9, Buffer.alloc(12)];
}

function measured(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function front(
  objects: readonly { type: number; offset: number; size: number; allocated: number }[],
  { version, pending }: Required<Pick<VmcxOptions, 'version' | 'pending'>>,
): Buffer {
  const out = Buffer.alloc(0x6000);
  for (const [at, sequence] of [
    [0, 5],
    [0x1000, 4],
  ] as const) {
    out.writeUInt32LE(0x01282014, at);
    out.writeUInt16LE(sequence, at + 8);
    out.writeUInt32LE(sequence === 5 ? version : 0x300, at + 10);
    out.writeUInt32LE(align, at + 22);
    out.writeBigUInt64LE(0x5000n, at + 26);
    out.writeBigUInt64LE(0x1000n, at + 34);
    out.writeUInt32LE(0x2000, at + 42);
  }
  const second = Math.floor(objects.length / 2);
  const list = [{ type: 1, offset: 0x3000, size: align, allocated: 1 }, ...objects.slice(0, second)];
  for (const [at, entries] of [
    [0x2000, list],
    [0x3000, objects.slice(second)],
  ] as const) {
    out.writeUInt32LE(0x01110001, at);
    out.writeUInt32LE(entries.length, at + 4);
    for (const [i, { type, offset, size, allocated }] of entries.entries()) {
      const entry = at + 8 + i * 18;
      out.writeUInt8(type, entry);
      out.writeBigUInt64LE(BigInt(offset), entry + 5);
      out.writeUInt32LE(size, entry + 13);
      out.writeUInt8(allocated, entry + 17);
    }
  }
  out.writeUInt32LE(0x01110003, 0x5000);
  out.writeUInt32LE(pending, 0x5008);
  return out;
}
