/** What the volume says of itself, and whether Windows had let go of it. */
import type { VolumeState } from '../../../model/guest-report.ts';
import { bytesAt } from '../../looking.ts';
import { given, plainText, serialAt } from '../../text.ts';
import type { VolumeFacts } from '../files.ts';
import { applyFixups, types } from './record.ts';
import type { Stream } from './stream.ts';
import { type NtfsFile, type NtfsVolume, wholeOf } from './volume.ts';

const records = { logFile: 2, volume: 3, bitmap: 6 } as const;
/** 512 GiB in clusters of 4 KiB; to count a larger one takes longer than an answer is worth. */
const maxCounted = 16 * 2 ** 20;

/** `hibernation` is hiberfil.sys, where there is one. */
export async function factsOf(volume: NtfsVolume, hibernation: NtfsFile | undefined): Promise<VolumeFacts> {
  const { looking, layout } = volume;
  const boot = await bytesAt(looking, 0, 512);
  const own = await volume.file(records.volume);
  const label = volume.stream(own, types.volumeName);
  const free = await freeClusters(volume);
  return {
    ...given('label', label && plainText((await wholeOf(label, 512)).toString('utf16le'))),
    uuid: serialAt(boot, 72, 8),
    blockBytes: layout.clusterBytes,
    sizeBytes: layout.clusters * layout.clusterBytes,
    ...(free === undefined ? {} : { freeBytes: free * layout.clusterBytes }),
    ...(await stateOf(volume, own, hibernation)),
  };
}

async function stateOf(
  volume: NtfsVolume,
  own: NtfsFile,
  hibernation: NtfsFile | undefined,
): Promise<{ state: VolumeState; notes: string[] }> {
  const notes: string[] = [];
  const information = volume.stream(own, types.volumeInformation);
  const flags =
    information === undefined || information.size < 12
      ? 0
      : (await wholeOf(information, 64)).readUInt16LE(10);
  if ((flags & 1) !== 0) notes.push('it is marked for chkdsk');
  if (!(await isLogClean(volume))) notes.push('its log was not closed: the latest changes may be missing');
  const head = await firstBytes(hibernation && volume.stream(hibernation, types.data), 4);
  if (head.toString('latin1').toLowerCase() === 'hibr') {
    return { state: 'hibernated', notes };
  }
  return { state: notes.length > 0 ? 'dirty' : 'clean', notes };
}

async function firstBytes(stream: Stream | undefined, length: number): Promise<Buffer> {
  if (stream === undefined || stream.size < length) return Buffer.alloc(0);
  const bytes = Buffer.alloc(length);
  await stream.readInto(bytes, 0);
  return bytes;
}

/** The restart area names the client that has the log open. A log of 0xFF was emptied by a tool. */
async function isLogClean(volume: NtfsVolume): Promise<boolean> {
  const page = await firstBytes(volume.stream(await volume.file(records.logFile), types.data), 4096);
  if (page.length === 0 || page.toString('latin1', 0, 4) !== 'RSTR') return true;
  applyFixups(page, 'RSTR', 'log');
  const area = page.readUInt16LE(24);
  if (area + 16 > page.length) return false;
  const noClient = page.readUInt16LE(area + 12) === 0xffff;
  const markedClean = (page.readUInt16LE(area + 14) & 2) !== 0;
  return noClient || markedClean;
}

const ones = Uint8Array.from({ length: 256 }, (_, n) => n.toString(2).replaceAll('0', '').length);

async function freeClusters(volume: NtfsVolume): Promise<number | undefined> {
  const { clusters } = volume.layout;
  const bytes = Math.ceil(clusters / 8);
  const bitmap = volume.stream(await volume.file(records.bitmap), types.data);
  if (bitmap === undefined || bitmap.size < bytes || bytes > maxCounted) return undefined;
  let used = 0;
  for (let at = 0; at < bytes; at += 2 ** 20) {
    const part = Buffer.alloc(Math.min(2 ** 20, bytes - at));
    await bitmap.readInto(part, at);
    // Bits past the last cluster don't count.
    if (at + part.length === bytes && clusters % 8 !== 0) part[part.length - 1]! &= 2 ** (clusters % 8) - 1;
    for (const byte of part) used += ones[byte]!;
  }
  return clusters - used;
}
