/** Extended attributes: in the inode where they fit, else all of them in one block. */
import { AppError } from '../../model/errors.ts';
import { blockBytes } from './layout.ts';

interface Attribute {
  readonly index: number;
  readonly name: Buffer;
  readonly value: Buffer;
}

const magic = 0xea02_0000;
const blockHeader = 32;
const entryBytes = 16;
const prefixes: readonly [string, number][] = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
];

const round4 = (length: number): number => Math.ceil(length / 4) * 4;

/** @throws AppError `unsupported` for a name that the filesystem can't have. */
function attributeOf(name: string, value: Buffer): Attribute {
  if (name === 'system.posix_acl_access') return { index: 2, name: Buffer.alloc(0), value: aclOnDisk(value) };
  if (name === 'system.posix_acl_default')
    return { index: 3, name: Buffer.alloc(0), value: aclOnDisk(value) };
  const found = prefixes.find(([prefix]) => name.startsWith(prefix) && name.length > prefix.length);
  const rest = Buffer.from(name.slice(found?.[0].length ?? 0), 'latin1');
  if (found === undefined || rest.length > 255)
    throw new AppError('unsupported', `the extended attribute "${name}" has no place in ext4`);
  return { index: found[1], name: rest, value };
}

/** The kernel's form (version 2, entries of 8 bytes) in that of the disk: without an id where there is none. */
function aclOnDisk(value: Buffer): Buffer {
  if (value.length < 4 || (value.length - 4) % 8 !== 0 || value.readUInt32LE(0) !== 2)
    throw new AppError('corrupt', 'an ACL that is not of version 2');
  const parts: Buffer[] = [Buffer.from([1, 0, 0, 0])];
  for (let at = 4; at < value.length; at += 8) {
    const named = [2, 8].includes(value.readUInt16LE(at));
    parts.push(value.subarray(at, at + (named ? 8 : 4)));
  }
  return Buffer.concat(parts);
}

/** Over the name's bytes, then the value's words. */
function hashOf({ name, value }: Attribute): number {
  let hash = 0;
  for (const byte of name) hash = ((hash << 5) ^ (hash >>> 27) ^ byte) >>> 0;
  const padded = Buffer.alloc(round4(value.length));
  value.copy(padded);
  for (let at = 0; at < padded.length; at += 4)
    hash = ((hash << 16) ^ (hash >>> 16) ^ padded.readUInt32LE(at)) >>> 0;
  return hash;
}

/** As a block must have them: by index, length of the name, name. */
const inOrder = (a: Attribute, b: Attribute): number =>
  a.index - b.index || a.name.length - b.name.length || Buffer.compare(a.name, b.name);

/**
 * Entries from `first` upwards, values from the end of `area` downwards; offsets count from `base`. False where they
 * do not fit.
 */
function place(
  area: Buffer,
  attributes: readonly Attribute[],
  { first, base, hashed }: { first: number; base: number; hashed: boolean },
): boolean {
  const entries = attributes.reduce((sum, { name }) => sum + entryBytes + round4(name.length), 0);
  const values = attributes.reduce((sum, { value }) => sum + round4(value.length), 0);
  if (first + entries + 4 + values > area.length) return false;
  let at = first;
  let end = area.length;
  for (const attribute of attributes) {
    const { index, name, value } = attribute;
    end -= round4(value.length);
    area[at] = name.length;
    area[at + 1] = index;
    area.writeUInt16LE(value.length === 0 ? 0 : end - base, at + 2);
    area.writeUInt32LE(value.length, at + 8);
    area.writeUInt32LE(hashed ? hashOf(attribute) : 0, at + 12);
    name.copy(area, at + entryBytes);
    value.copy(area, end);
    at += entryBytes + round4(name.length);
  }
  return true;
}

/**
 * Puts them into `inner` (what the inode has behind its fields), or makes the block that has to hold them.
 * @throws AppError `unsupported` when they are too many or too large.
 */
export function placeXattrs(xattrs: ReadonlyMap<string, Buffer>, inner: Buffer): Buffer | undefined {
  if (xattrs.size === 0) return undefined;
  const attributes = [...xattrs].map(([name, value]) => attributeOf(name, value)).sort(inOrder);
  if (place(inner, attributes, { first: 4, base: 4, hashed: false })) {
    inner.writeUInt32LE(magic, 0);
    return undefined;
  }
  const block = Buffer.alloc(blockBytes);
  if (!place(block, attributes, { first: blockHeader, base: 0, hashed: true }))
    throw new AppError('unsupported', 'extended attributes of more than a block of 4096 bytes');
  block.writeUInt32LE(magic, 0);
  block.writeUInt32LE(1, 4); // one inode has it
  block.writeUInt32LE(1, 8); // one block
  let hash = 0;
  for (const attribute of attributes) hash = ((hash << 16) ^ (hash >>> 16) ^ hashOf(attribute)) >>> 0;
  block.writeUInt32LE(hash, 12);
  return block;
}
