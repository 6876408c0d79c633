/** DMG files written by hand: no tool outside macOS writes the kinds that are to be read. 7-Zip and QEMU judge them. */
import { execFileSync } from 'node:child_process';
import { deflateSync } from 'node:zlib';
import { crc32 } from '@node-rs/crc32';
import { chunkStruct, chunkType, tableHeader, trailer } from '../../src/codecs/dmg/layout.ts';
import { randomNumbers } from '../conformance/random.ts';
import { lzfseStream } from './lzfse-streams.ts';

export type Method = 'raw' | 'zlib' | 'bzip2' | 'adc' | 'lzma' | 'lzfse';

/** Greedy: copies of both distances, and literals. */
export function adc(bytes: Buffer): Buffer {
  const out: number[] = [];
  const seen = new Map<number, number>();
  let literals: number[] = [];
  const flush = () => {
    for (let i = 0; i < literals.length; i += 128) {
      const part = literals.slice(i, i + 128);
      out.push(0x80 | (part.length - 1), ...part);
    }
    literals = [];
  };
  for (let at = 0; at < bytes.length; ) {
    const key = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : -1;
    const before = seen.get(key);
    if (key >= 0) seen.set(key, at);
    const distance = before === undefined ? 0 : at - before;
    let length = 0;
    while (
      distance > 0 &&
      length < 67 &&
      at + length < bytes.length &&
      bytes[at + length] === bytes[at + length - distance]
    )
      length++;
    if (length < 4 || distance > 65536) {
      literals.push(bytes[at++]!);
      continue;
    }
    flush();
    if (distance <= 1024 && length <= 18) {
      out.push(((length - 3) << 2) | ((distance - 1) >> 8), (distance - 1) & 0xff);
    } else {
      out.push(0x40 | (length - 4), (distance - 1) >> 8, (distance - 1) & 0xff);
    }
    at += length;
  }
  flush();
  return Buffer.from(out);
}

const packers: Record<Method, (bytes: Buffer) => Buffer> = {
  raw: (bytes) => bytes,
  zlib: (bytes) => deflateSync(bytes),
  bzip2: (input) => execFileSync('bzip2', ['-c'], { input, maxBuffer: 2 ** 26 }),
  adc,
  // 7-Zip 26 reads no block of plain bytes.
  lzfse: (bytes) => lzfseStream(bytes, ['fse', 'lzvn'], 30_000),
  lzma: (input) => execFileSync('xz', ['-c'], { input, maxBuffer: 2 ** 26 }),
};
const types: Record<Method, number> = {
  raw: chunkType.raw,
  zlib: chunkType.zlib,
  bzip2: chunkType.bzip2,
  adc: chunkType.adc,
  lzma: chunkType.lzma,
  lzfse: chunkType.lzfse,
};

export interface DmgOptions {
  /** Each chunk takes one of them. */
  readonly methods: readonly Method[];
  readonly chunkSectors?: number;
  /** Sectors at which a new block table begins. */
  readonly splits?: readonly number[];
  /** Bytes in front of the data. */
  readonly before?: number;
}

/** The content has whole sectors. Chunks of zeros are stored as such, some as "ignored". */
export function dmgImage(content: Buffer, options: DmgOptions): Buffer {
  const { methods, chunkSectors = 512, splits = [], before = 0 } = options;
  const sectors = content.length / 512;
  const random = randomNumbers(sectors);
  const borders = [0, ...splits, sectors];
  const data: Uint8Array[] = [Buffer.alloc(before)];
  let stored = 0;
  const tables: Buffer[] = [];
  for (let t = 0; t + 1 < borders.length; t++) {
    const [from, to] = [borders[t]!, borders[t + 1]!];
    const dataOffset = t === 0 ? 0 : Math.min(stored, 4096);
    const chunks: Buffer[] = [];
    let checksum = 0;
    const add = (
      type: number,
      sectorNumber: number,
      sectorCount: number,
      bytes: Buffer = Buffer.alloc(0),
    ) => {
      chunks.push(
        chunkStruct.encode({
          type,
          sectorNumber,
          sectorCount,
          offset: stored - dataOffset,
          length: bytes.length,
        }),
      );
      data.push(bytes);
      stored += bytes.length;
    };
    add(chunkType.comment, 0, 0);
    for (let at = from; at < to; at += chunkSectors) {
      const count = Math.min(chunkSectors, to - at);
      const bytes = content.subarray(at * 512, (at + count) * 512);
      const method = methods[Math.floor(random() * methods.length)]!;
      const zeros = bytes.every((b) => b === 0);
      // What is "ignored" does not count for the checksum.
      const ignored = zeros && random() < 0.5;
      if (!ignored) checksum = crc32(bytes, checksum);
      if (zeros) add(ignored ? chunkType.ignore : chunkType.zero, at - from, count);
      else add(types[method], at - from, count, packers[method](bytes));
    }
    add(chunkType.terminator, to - from, 0);
    const head = tableHeader.encode({
      ...{ signature: 'mish', version: 1, sectorNumber: from, sectorCount: to - from, dataOffset },
      ...{ buffersNeeded: chunkSectors + 8, blockDescriptors: t, checksumType: 2, checksumBits: 32 },
      ...{ checksum, chunkCount: chunks.length },
    });
    tables.push(Buffer.concat([head, ...chunks]));
  }
  const list = Buffer.from(propertyList(tables));
  const end = trailer.encode({
    ...{ signature: 'koly', version: 4, headerSize: 512, flags: 1, segmentNumber: 1, segmentCount: 1 },
    ...{ dataForkOffset: before, dataForkLength: stored, xmlOffset: before + stored, xmlLength: list.length },
    ...{ imageVariant: 1, sectorCount: sectors },
  });
  return Buffer.concat([...data, list, end]);
}

function propertyList(tables: readonly Buffer[]): string {
  const entries = tables.map(
    (table, i) => `\t\t\t<dict>
\t\t\t\t<key>Attributes</key>\n\t\t\t\t<string>0x0050</string>
\t\t\t\t<key>CFName</key>\n\t\t\t\t<string>part ${i}</string>
\t\t\t\t<key>Data</key>\n\t\t\t\t<data>\n\t\t\t\t${table.toString('base64').replace(/.{52}/g, '$&\n\t\t\t\t')}\n\t\t\t\t</data>
\t\t\t\t<key>ID</key>\n\t\t\t\t<string>${i}</string>
\t\t\t\t<key>Name</key>\n\t\t\t\t<string>part ${i}</string>
\t\t\t</dict>\n`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>resource-fork</key>
\t<dict>
\t\t<key>blkx</key>
\t\t<array>
${entries.join('')}\t\t</array>
\t</dict>
</dict>
</plist>
`;
}
