/** Hives made by hand: what hivex can't make (lists of lists, big data, logs), and the empty one it begins with. */
import { baseChecksum } from '../../../src/guest/formats/registry/layout.ts';
import { marvin32 } from '../../../src/guest/formats/registry/marvin32.ts';

export class HiveMaker {
  readonly cells: Buffer[] = [];
  #at = 32;

  /** @returns the cell's offset. */
  cell(content: Buffer): number {
    const size = Math.ceil((content.length + 4) / 8) * 8;
    const cell = Buffer.alloc(size);
    cell.writeInt32LE(-size, 0);
    content.copy(cell, 4);
    this.cells.push(cell);
    const offset = this.#at;
    this.#at += size;
    return offset;
  }

  words(...words: number[]): number {
    const bytes = Buffer.alloc(words.length * 4);
    for (const [i, word] of words.entries()) bytes.writeUInt32LE(word >>> 0, i * 4);
    return this.cell(bytes);
  }

  list(kind: 'lf' | 'lh' | 'li' | 'ri', entries: number[]): number {
    const step = kind === 'lf' || kind === 'lh' ? 8 : 4;
    const bytes = Buffer.alloc(4 + entries.length * step);
    bytes.write(kind, 'latin1');
    bytes.writeUInt16LE(entries.length, 2);
    for (const [i, entry] of entries.entries()) bytes.writeUInt32LE(entry, 4 + i * step);
    return this.cell(bytes);
  }

  key(
    name: string,
    given: { list?: number; count?: number; values?: number[]; root?: boolean; security?: number } = {},
  ) {
    const bytes = Buffer.alloc(76 + name.length);
    bytes.write('nk', 'latin1');
    bytes.writeUInt16LE(given.root ? 0x2c : 0x20, 2);
    bytes.writeUInt32LE(given.count ?? 0, 20);
    bytes.writeUInt32LE(given.list ?? 0xffffffff, 28);
    bytes.writeUInt32LE(0xffffffff, 32);
    const values = given.values ?? [];
    bytes.writeUInt32LE(values.length, 36);
    bytes.writeUInt32LE(values.length === 0 ? 0xffffffff : this.words(...values), 40);
    bytes.writeUInt32LE(given.security ?? 0xffffffff, 44);
    bytes.writeUInt32LE(0xffffffff, 48);
    bytes.writeUInt16LE(name.length, 72);
    bytes.write(name, 76, 'latin1');
    return this.cell(bytes);
  }

  value(name: string, type: number, length: number, data: number): number {
    const bytes = Buffer.alloc(20 + name.length);
    bytes.write('vk', 'latin1');
    bytes.writeUInt16LE(name.length, 2);
    bytes.writeUInt32LE(length >>> 0, 4);
    bytes.writeUInt32LE(data, 8);
    bytes.writeUInt32LE(type, 12);
    bytes.writeUInt16LE(1, 16);
    bytes.write(name, 20, 'latin1');
    return this.cell(bytes);
  }

  finish(root: number, minor = 5): Buffer {
    const used = this.#at;
    const size = Math.ceil((used + 8) / 4096) * 4096;
    const bins = Buffer.alloc(size);
    bins.write('hbin', 'latin1');
    bins.writeUInt32LE(size, 8);
    Buffer.concat(this.cells).copy(bins, 32);
    bins.writeInt32LE(size - used, used);
    return Buffer.concat([baseBytes(root, size, minor), bins]);
  }
}

export function baseBytes(root: number, binsBytes: number, minor = 5, type = 0, sequences = [1, 1]): Buffer {
  const head = Buffer.alloc(type === 0 ? 4096 : 512);
  head.write('regf', 'latin1');
  head.writeUInt32LE(sequences[0]!, 4);
  head.writeUInt32LE(sequences[1]!, 8);
  head.writeUInt32LE(1, 20);
  head.writeUInt32LE(minor, 24);
  head.writeUInt32LE(type, 28);
  head.writeUInt32LE(1, 32);
  head.writeUInt32LE(root, 36);
  head.writeUInt32LE(binsBytes, 40);
  head.writeUInt32LE(1, 44);
  head.writeUInt32LE(baseChecksum(head), 508);
  return head;
}

/** What `hivexregedit --merge` can begin with: a root and its security descriptor. */
export function emptyHive(): Buffer {
  const maker = new HiveMaker();
  const acl = Buffer.from('0100048014000000240000000000000034000000', 'hex');
  const owner = Buffer.from('01020000000000052000000020020000', 'hex');
  const descriptor = Buffer.concat([acl, owner, owner, Buffer.from('0200080000000000', 'hex')]);
  const security = Buffer.alloc(20 + descriptor.length);
  security.write('sk', 'latin1');
  security.writeUInt32LE(32, 4);
  security.writeUInt32LE(32, 8);
  security.writeUInt32LE(1, 12);
  security.writeUInt32LE(descriptor.length, 16);
  descriptor.copy(security, 20);
  const at = maker.cell(security);
  return maker.finish(maker.key('root', { root: true, security: at }), 3);
}

/** One entry of a log of the new kind. */
export function logEntry(
  sequence: number,
  binsBytes: number,
  pages: { offset: number; bytes: Buffer }[],
): Buffer {
  const refs = Buffer.alloc(pages.length * 8);
  pages.forEach((page, i) => {
    refs.writeUInt32LE(page.offset, i * 8);
    refs.writeUInt32LE(page.bytes.length, i * 8 + 4);
  });
  const data = Buffer.concat([refs, ...pages.map((page) => page.bytes)]);
  const entry = Buffer.alloc(Math.ceil((40 + data.length) / 512) * 512);
  data.copy(entry, 40);
  entry.write('HvLE', 'latin1');
  entry.writeUInt32LE(entry.length, 4);
  entry.writeUInt32LE(sequence, 12);
  entry.writeUInt32LE(binsBytes, 16);
  entry.writeUInt32LE(pages.length, 20);
  entry.writeBigUInt64LE(marvin32(entry.subarray(40)), 24);
  entry.writeBigUInt64LE(marvin32(entry.subarray(0, 32)), 32);
  return entry;
}
