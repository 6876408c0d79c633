/**
 * The LUKS2 header: "LUKS2 On-Disk Format Specification", 1.1. Two copies, each a binary header of 4096 bytes
 * (big-endian) and text in JSON; the one with the higher number of those whose checksum is right counts.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { readBytes } from '../byte-source.ts';
import { ascii, raw, struct, u16, u64 } from '../struct.ts';
import type { LuksSource } from './header1.ts';
import { knownHash } from './stripes.ts';

/** 2.1, luks2_hdr_disk. */
const binaryHeader = struct('LUKS2 header', 4096, 'be', {
  magic: [0, ascii(6)],
  version: [6, u16],
  hdrSize: [8, u64],
  seqid: [16, u64],
  csumAlg: [72, ascii(32)],
  hdrOffset: [256, u64],
  csum: [448, raw(64)],
});
const checksumAt = 448;
const checksumBytes = 64;

/** 2.2: the sizes that a header may have, and so the places of the second one. */
const headerSizes = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((kib) => kib * 1024);

/** 64-bit numbers are texts in LUKS2's JSON. */
const big = z.string().check(z.regex(/^\d{1,15}$/));
const count = z.int().check(z.positive());
const base64 = z.string().check(z.maxLength(4096), z.regex(/^[A-Za-z0-9+/]+={0,2}$/));

const kdf = z.union([
  z.object({ type: z.literal('pbkdf2'), hash: z.string(), iterations: count, salt: base64 }),
  z.object({
    type: z.enum(['argon2i', 'argon2id']),
    time: count,
    memory: count,
    cpus: count,
    salt: base64,
  }),
]);

const keyslot = z.object({
  type: z.literal('luks2'),
  key_size: count,
  area: z.object({
    type: z.literal('raw'),
    offset: big,
    size: big,
    encryption: z.string(),
    key_size: count,
  }),
  kdf,
  af: z.object({ type: z.literal('luks1'), stripes: count, hash: z.string() }),
  priority: z.optional(z.int()),
});

const segment = z.object({
  type: z.string(),
  offset: big,
  size: z.string(),
  iv_tweak: z.optional(big),
  encryption: z.optional(z.string()),
  sector_size: z.optional(z.int()),
  integrity: z.optional(z.unknown()),
  flags: z.optional(z.array(z.string())),
});

const digest = z.object({
  type: z.literal('pbkdf2'),
  keyslots: z.array(z.string()),
  segments: z.array(z.string()),
  hash: z.string(),
  iterations: count,
  salt: base64,
  digest: base64,
});

/** Slots and digests are judged one by one: a kind of another tool stands in nobody's way. */
const metadata = z.object({
  keyslots: z.record(z.string(), z.unknown()),
  segments: z.record(z.string(), z.unknown()),
  digests: z.record(z.string(), z.unknown()),
  config: z.object({
    requirements: z.optional(z.object({ mandatory: z.optional(z.array(z.string())) })),
  }),
});

export type KeyDerivation = z.infer<typeof kdf>;
export type Keyslot2 = z.infer<typeof keyslot>;
export type Digest2 = z.infer<typeof digest>;

export interface Luks2Header {
  /** In the order in which they are to be tried. */
  readonly slots: readonly { readonly id: string; readonly slot: Keyslot2 }[];
  readonly digests: readonly Digest2[];
  /** The one segment: all of the data. */
  readonly segmentId: string;
  readonly segment: {
    readonly offset: number;
    /** Undefined: to the end of the device. */
    readonly bytes: number | undefined;
    readonly ivTweak: number;
    readonly encryption: string;
    readonly sectorBytes: number;
  };
}

/** @throws AppError `corrupt` where neither copy is whole; `unsupported` for what is more than plain encryption. */
export async function readLuks2Header(
  source: LuksSource,
  signal: AbortSignal | undefined,
): Promise<Luks2Header> {
  const where = `${source.name}, LUKS2 header`;
  const copies: Copy[] = [];
  const first = await copyAt(source, 0, 'LUKS', signal);
  if (first !== undefined) copies.push(first);
  // 2.2: without the first, the second is looked for where it can be.
  for (const offset of first === undefined ? headerSizes : [first.size]) {
    const second = await copyAt(source, offset, 'SKUL', signal);
    if (second === undefined) continue;
    copies.push(second);
    break;
  }
  const newest = copies.toSorted((a, b) => b.seqid - a.seqid)[0];
  if (newest === undefined) {
    throw new AppError('corrupt', 'neither copy of the LUKS2 header has the checksum that it tells', {
      where,
      hint: 'a backup of the header (cryptsetup luksHeaderRestore) is needed',
    });
  }
  return understood(newest.text, where);
}

interface Copy {
  readonly seqid: number;
  readonly size: number;
  readonly text: string;
}

async function copyAt(
  source: LuksSource,
  offset: number,
  mark: 'LUKS' | 'SKUL',
  signal: AbortSignal | undefined,
): Promise<Copy | undefined> {
  if (offset + binaryHeader.bytes > source.size) return undefined;
  const head = await readBytes(source, offset, binaryHeader.bytes, signal);
  if (head.toString('latin1', 0, 6) !== `${mark}\xba\xbe` || head.readUInt16BE(6) !== 2) return undefined;
  if (head.readBigUInt64BE(8) > BigInt(4 * MiB) || head.readBigUInt64BE(16) > 2n ** 53n - 1n)
    return undefined;
  const { hdrSize, seqid, csumAlg, hdrOffset, csum } = binaryHeader.decode(head);
  if (!headerSizes.includes(hdrSize) || hdrOffset !== offset || offset + hdrSize > source.size)
    return undefined;
  const all = await readBytes(source, offset, hdrSize, signal);
  all.fill(0, checksumAt, checksumAt + checksumBytes);
  const found = createHash(knownHash(csumAlg, source.name)).update(all).digest();
  if (!found.equals(csum.subarray(0, found.length))) return undefined;
  const text = all.toString('utf8', binaryHeader.bytes);
  return { seqid, size: hdrSize, text: text.split('\0', 1)[0]! };
}

function understood(text: string, where: string): Luks2Header {
  const parsed = metadata.safeParse(jsonOf(text));
  if (!parsed.success) throw new AppError('corrupt', 'the LUKS2 header is not what it should be', { where });
  const { keyslots, segments, digests, config } = parsed.data;
  const required = config.requirements?.mandatory ?? [];
  const ids = Object.keys(segments);
  if (required.length > 0 || ids.length !== 1) {
    const what = required.length > 0 ? required.join(', ') : `${ids.length} segments`;
    throw new AppError('unsupported', `LUKS2 with ${what.slice(0, 80).replace(/[^ -~]/g, '?')}`, {
      where,
      hint: 'an encryption under way is to be ended in the guest first (cryptsetup reencrypt)',
    });
  }
  const slots = Object.entries(keyslots).flatMap(([id, value]) => {
    const found = keyslot.safeParse(value);
    // 3.2: priority 0 is left out unless it is asked for by name.
    return found.success && found.data.priority !== 0 ? [{ id, slot: found.data }] : [];
  });
  return {
    slots: slots.toSorted((a, b) => (b.slot.priority ?? 1) - (a.slot.priority ?? 1)),
    digests: Object.values(digests).flatMap((value) => {
      const found = digest.safeParse(value);
      return found.success ? [found.data] : [];
    }),
    segmentId: ids[0]!,
    segment: understoodSegment(segments[ids[0]!], where),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // said by the one who asks for its shape
  }
}

function understoodSegment(value: unknown, where: string): Luks2Header['segment'] {
  const parsed = segment.safeParse(value);
  const { type, offset, size, iv_tweak, encryption, sector_size = 512, integrity } = parsed.data ?? {};
  if (type === undefined || offset === undefined || size === undefined)
    throw new AppError('corrupt', 'the segment of the LUKS2 header is not what it should be', { where });
  if (type !== 'crypt' || encryption === undefined || integrity !== undefined) {
    const what = integrity === undefined ? `a segment of type "${type}"` : 'authenticated encryption';
    throw new AppError('unsupported', `LUKS2 with ${what.slice(0, 80).replace(/[^ -~]/g, '?')}`, { where });
  }
  if (![512, 1024, 2048, 4096].includes(sector_size) || (size !== 'dynamic' && !/^\d{1,15}$/.test(size)))
    throw new AppError('corrupt', `a LUKS2 segment of size ${size} in sectors of ${sector_size}`, { where });
  return {
    offset: Number(offset),
    bytes: size === 'dynamic' ? undefined : Number(size),
    ivTweak: Number(iv_tweak ?? '0'),
    encryption,
    sectorBytes: sector_size,
  };
}
