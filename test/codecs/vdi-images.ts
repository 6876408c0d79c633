/** VDI files made by hand: what no tool in Debian writes. */
import {
  absentBlock,
  header,
  imageTypes,
  signature,
  version11,
  zeroBlock,
} from '../../src/codecs/vdi/layout.ts';
import { shuffled } from '../conformance/random.ts';

export interface VdiParts {
  readonly size: number;
  readonly blockSize?: number;
  readonly extraBytes?: number;
  readonly type?: keyof typeof imageTypes;
  readonly version?: number;
  /** Per block: its bytes, `zero`, or undefined for one that is not there. */
  readonly blocks: readonly (Buffer | 'zero' | undefined)[];
  readonly uuids?: Partial<Record<'uuidCreate' | 'uuidModify' | 'uuidLink' | 'uuidParentModify', number>>;
  readonly headerBytes?: number;
}

/** The blocks lie in the file in a random order, each after extra data of 0xee. */
export function vdiFile(parts: VdiParts): Buffer {
  const { size, blockSize = 64 * 1024, extraBytes = 0, blocks, type = 'dynamic' } = parts;
  const stored = blocks.flatMap((b, i) => (b instanceof Buffer ? [i] : []));
  const order = shuffled(stored, 4);
  const map = Buffer.alloc(blocks.length * 4);
  blocks.forEach((b, i) => {
    const place = b === undefined ? absentBlock : b === 'zero' ? zeroBlock : order.indexOf(i);
    map.writeUInt32LE(place, i * 4);
  });
  const dataOffset = 1024 + Math.ceil(map.length / 512) * 512;
  const uuids = Object.fromEntries(
    Object.entries(parts.uuids ?? {}).map(([key, value]) => [key, new Uint8Array(16).fill(value)]),
  );
  const head = header.encode({
    fileInfo: '<<< innotek VirtualBox Disk Image >>>\n',
    signature,
    version: parts.version ?? version11,
    headerBytes: parts.headerBytes ?? 400,
    imageType: imageTypes[type],
    blocksOffset: 1024,
    dataOffset,
    sectorBytes: 512,
    diskSize: size,
    blockSize,
    blockExtraBytes: extraBytes,
    blocks: blocks.length,
    blocksAllocated: stored.length,
    ...uuids,
  });
  const data = order.flatMap((i) => [Buffer.alloc(extraBytes, 0xee), blocks[i] as Buffer]);
  const front = Buffer.alloc(dataOffset);
  head.copy(front);
  map.copy(front, 1024);
  return Buffer.concat([front, ...data]);
}
