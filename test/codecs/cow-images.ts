/** COW files made by hand, of all versions and byte orders. */
import { headers, magic, placesOf } from '../../src/codecs/cow/layout.ts';

export interface CowParts {
  readonly kind: 'v1' | 'v2' | 'v3' | 'v3Wide';
  readonly byteOrder: 'be' | 'le';
  /** The byte order of all but the mark, where it is another: as tools on a little-endian host write version 1. */
  readonly size: number;
  readonly backingFile: string;
  readonly mtime: number;
  /** Sectors of this layer, by number. */
  readonly sectors: ReadonlyMap<number, Buffer>;
}

export function cowFile(parts: CowParts): Buffer {
  const { kind, byteOrder, size } = parts;
  const layout = headers[byteOrder][kind];
  const version = kind === 'v1' ? 1 : kind === 'v2' ? 2 : 3;
  const alignment = version === 3 ? 4096 : 512;
  const name = Buffer.alloc(kind === 'v1' ? 256 : 4096);
  name.write(parts.backingFile);
  const values = { mtime: parts.mtime, size, sectorBytes: 512, backingFile: name, alignment };
  const head = (layout as typeof headers.be.v3).encode(values);
  const order = byteOrder === 'be' ? 'writeUInt32BE' : 'writeUInt32LE';
  head[order](magic, 0);
  head[order](version, 4);
  const places = placesOf(version, size, 512, layout.bytes, alignment);
  const out = Buffer.alloc(places.dataOffset + size);
  head.copy(out);
  for (const [sector, bytes] of parts.sectors) {
    out[places.bitmapOffset + (sector >> 3)]! |= 1 << (sector & 7);
    bytes.copy(out, places.dataOffset + sector * 512);
  }
  return out;
}

/** What the sectors show over the backing bytes. */
export function shownOver(backing: Buffer, sectors: ReadonlyMap<number, Buffer>): Buffer {
  const out = Buffer.from(backing);
  for (const [sector, bytes] of sectors) bytes.copy(out, sector * 512);
  return out;
}
