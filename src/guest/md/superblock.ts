/**
 * Superblocks of Linux MD RAID, include/uapi/linux/raid/md_p.h: version 1.1 at the start, 1.2 at 4 KiB, 1.0 and 0.90
 * near the end.
 */
import { bits64, raw, struct, u16, u32, u64 } from '../../io/struct.ts';
import { bytesAt, type Looking } from '../looking.ts';
import { fixedText, uuidAt } from '../text.ts';

const magic = 0xa92b4efc;

const version1 = struct('MD superblock', 256, 'le', {
  magic: [0, u32],
  majorVersion: [4, u32],
  featureMap: [8, u32],
  setUuid: [16, raw(16)],
  setName: [32, raw(32)],
  level: [72, u32],
  size: [80, u64],
  raidDisks: [92, u32],
  dataOffset: [128, u64],
  dataSize: [136, u64],
  superOffset: [144, u64],
  devNumber: [160, u32],
  events: [200, u64],
  resyncOffset: [208, bits64],
  checksum: [216, u32],
  maxDev: [220, u32],
});
const rolesAt = 256;
const checksumAt = 216;
const maxDevices = 1920;
const inSync = 0xffff_ffff_ffff_ffffn;

const version0 = struct('MD superblock 0.90', 4096, 'le', {
  magic: [0, u32],
  majorVersion: [4, u32],
  uuid0: [20, u32],
  level: [28, u32],
  sizeKiB: [32, u32],
  raidDisks: [40, u32],
  mdMinor: [44, u32],
  uuid123: [52, raw(12)],
  state: [132, u32],
  checksum: [152, u32],
  events: [156, u64],
  /** this_disk: number, major, minor, raid_disk, state. */
  role: [3980, u32],
  roleState: [3984, u32],
});

export interface MdMember {
  readonly version: '0.90' | '1.0' | '1.1' | '1.2';
  readonly uuid: string | undefined;
  /** As `host:name`; empty in version 0.90. */
  readonly name: string;
  /** 0, 1, 4, 5, 6, 10; -1 is linear. */
  readonly level: number;
  readonly devices: number;
  /** Which of the devices it is; undefined for a spare or a failed one. */
  readonly role: number | undefined;
  readonly events: number;
  /** Nothing was being written, rebuilt or reshaped. */
  readonly clean: boolean;
  /** It holds all of the data of its role. */
  readonly whole: boolean;
  readonly dataOffset: number;
  /** Used for data on each device. */
  readonly dataBytes: number;
}

/** Undefined where there is no superblock whose checksum is right. */
export async function readMdSuperblock(looking: Looking): Promise<MdMember | undefined> {
  const sectors = Math.floor(looking.disk.size / 512);
  const places = [
    ['1.1', 0],
    ['1.2', 4096],
    ['1.0', Math.floor((sectors - 16) / 8) * 8 * 512],
  ] as const;
  for (const [version, offset] of places) {
    const found = offset < 0 ? undefined : await member1(looking, version, offset);
    if (found !== undefined) return found;
  }
  return member0(looking);
}

async function member1(
  looking: Looking,
  version: MdMember['version'],
  offset: number,
): Promise<MdMember | undefined> {
  const bytes = await bytesAt(looking, offset, 4096);
  if (bytes.readUInt32LE(0) !== magic || bytes.readUInt32LE(4) !== 1) return undefined;
  const count = bytes.readUInt32LE(220);
  if (
    count > maxDevices ||
    folded(bytes.subarray(0, rolesAt + count * 2), checksumAt) !== bytes.readUInt32LE(checksumAt)
  )
    return undefined;
  const sb = version1.decode(bytes);
  if (sb.superOffset * 512 !== offset) return undefined; // that of a device around this one
  const role = sb.devNumber < count ? u16At(bytes, rolesAt + sb.devNumber * 2) : 0xffff;
  // Features 2, 4 and 16: being rebuilt, reshaped, replaced; 8: blocks that could not be written.
  const whole = (sb.featureMap & (2 | 4 | 8 | 16)) === 0;
  return {
    version,
    uuid: uuidAt(Buffer.from(sb.setUuid), 0),
    name: fixedText(Buffer.from(sb.setName), 0, 32),
    level: sb.level | 0,
    devices: sb.raidDisks,
    role: role < sb.raidDisks ? role : undefined,
    events: sb.events,
    clean: sb.resyncOffset === inSync,
    whole,
    dataOffset: sb.dataOffset * 512,
    dataBytes: sb.size * 512,
  };
}

const u16At = (bytes: Buffer, at: number) => u16.get(new DataView(bytes.buffer, bytes.byteOffset), at, true);

/** The last 64 KiB that begin at a multiple of 64 KiB. */
async function member0(looking: Looking): Promise<MdMember | undefined> {
  const offset = Math.floor(looking.disk.size / 65536) * 65536 - 65536;
  if (offset < 0) return undefined;
  const bytes = await bytesAt(looking, offset, version0.bytes);
  if (bytes.readUInt32LE(0) !== magic || bytes.readUInt32LE(4) !== 0) return undefined;
  if (folded(bytes, 152) !== bytes.readUInt32LE(152)) return undefined;
  const sb = version0.decode(bytes);
  const uuid = Buffer.alloc(16);
  uuid.writeUInt32BE(sb.uuid0);
  for (let i = 0; i < 3; i++) uuid.writeUInt32BE(bytes.readUInt32LE(52 + i * 4), 4 + i * 4);
  // this_disk.state: bit 0 faulty, 1 active, 2 in sync.
  const active = (sb.roleState & 7) === 6;
  return {
    version: '0.90',
    uuid: uuidAt(uuid, 0),
    name: '',
    level: sb.level | 0,
    devices: sb.raidDisks,
    role: active && sb.role < sb.raidDisks ? sb.role : undefined,
    events: sb.events,
    clean: (sb.state & 1) !== 0,
    whole: active,
    dataOffset: 0,
    dataBytes: sb.sizeKiB * 1024,
  };
}

/** The sum of all words but that at `without`, the upper half added to the lower. */
function folded(bytes: Buffer, without: number): number {
  let sum = 0;
  for (let at = 0; at + 4 <= bytes.length; at += 4) if (at !== without) sum += bytes.readUInt32LE(at);
  if (bytes.length % 4 === 2) sum += bytes.readUInt16LE(bytes.length - 2);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0;
}

export const levelName = (level: number): string => (level < 0 ? 'linear' : `RAID${level}`);
