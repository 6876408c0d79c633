/** What holds other volumes: LVM, LUKS, RAID, ZFS. */
import { bytesAt } from '../looking.ts';
import { levelName, readMdSuperblock } from '../md/superblock.ts';
import { fixedText, given, uuidAt } from '../text.ts';
import { type Recognise, sizes, u64le } from './volume.ts';

/** LUKS1 on-disk format, and LUKS2 2.3: the same magic, version (big endian) and place of the UUID. */
export const luks: Recognise = async (looking) => {
  const header = await bytesAt(looking, 0, 512);
  if (header.toString('latin1', 0, 6) !== 'LUKS\xba\xbe') return undefined;
  const version = header.readUInt16BE(6);
  return {
    kind: `luks${version}`,
    ...(version === 2 ? given('label', fixedText(header, 24, 48)) : {}),
    ...given('uuid', fixedText(header, 168, 40)),
    state: 'unknown',
    encrypted: true,
    readable: false,
  };
};

/** label_header in one of the first four sectors, pv_header behind it (libyal "LVM2", physical volume label). */
export const lvm: Recognise = async (looking) => {
  const head = await bytesAt(looking, 0, 4 * 512);
  for (let at = 0; at < head.length; at += 512) {
    const isLabel = head.toString('latin1', at, at + 8) === 'LABELONE';
    if (!isLabel || head.toString('latin1', at + 24, at + 32) !== 'LVM2 001') continue;
    const header = at + head.readUInt32LE(at + 20);
    if (header + 40 > head.length) return { kind: 'lvm2-pv', state: 'unknown', readable: false };
    const id = fixedText(head, header, 32);
    return {
      kind: 'lvm2-pv',
      uuid: [id.slice(0, 6), ...(id.slice(6, 26).match(/.{1,4}/g) ?? []), id.slice(26)].join('-'),
      ...sizes(u64le(head, header + 32)),
      state: 'unknown',
      readable: false,
    };
  }
  return undefined;
};

const mdMagic = 0xa92b4efc;

/** Linux MD: by its superblock, and by the mark alone where that is damaged. */
export const mdRaid: Recognise = async (looking) => {
  const member = await readMdSuperblock(looking);
  if (member !== undefined) {
    const { level, devices, role, version, name, uuid } = member;
    const place = role === undefined ? 'a spare' : `device ${role}`;
    return {
      kind: 'md-raid',
      ...given('label', name),
      ...given('uuid', uuid),
      ...sizes(member.dataBytes),
      detail: `${place} of ${levelName(level)} of ${devices}, metadata ${version}`,
      // That of the array, which has a finding of its own.
      state: member.clean ? 'clean' : 'unknown',
      readable: false,
    };
  }
  const sectors = Math.floor(looking.disk.size / 512);
  for (const at of [0, 4096, Math.floor((sectors - 16) / 8) * 8 * 512]) {
    const sb = await bytesAt(looking, Math.max(0, at), 256);
    if (sb.readUInt32LE(0) !== mdMagic || sb.readUInt32LE(4) !== 1) continue;
    return {
      kind: 'md-raid',
      ...given('label', fixedText(sb, 32, 32)),
      ...given('uuid', uuidAt(sb, 16)),
      ...sizes(u64le(sb, 80) * 512),
      state: 'unknown',
      readable: false,
    };
  }
  const old = await bytesAt(looking, Math.max(0, Math.floor(looking.disk.size / 65536) * 65536 - 65536), 64);
  if (old.readUInt32LE(0) !== mdMagic || old.readUInt32LE(4) !== 0) return undefined;
  return { kind: 'md-raid', state: 'unknown', readable: false };
};

const uberblock = 0x00bab10c;

/** The first label's ring of uberblocks: 128 KiB of slots from 128 KiB on, in the byte order of the writer. */
export const zfs: Recognise = async (looking) => {
  const ring = await bytesAt(looking, 128 * 1024, 128 * 1024);
  for (let at = 0; at < ring.length; at += 1024) {
    const le = ring.readUInt32LE(at) === uberblock && ring.readUInt32LE(at + 4) === 0;
    const be = ring.readUInt32BE(at + 4) === uberblock && ring.readUInt32BE(at) === 0;
    if (le || be) return { kind: 'zfs', state: 'unknown', readable: false };
  }
  return undefined;
};
