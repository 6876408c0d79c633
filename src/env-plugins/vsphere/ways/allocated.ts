/**
 * What of a flat extent is allocated: a datastore's file does not tell, QueryChangedDiskAreas with the change id `*`
 * does where changed-block tracking is on (vSphere API reference, VirtualMachine, since 4.0).
 */
import type { ByteSource } from '../../../io/byte-source.ts';
import { type Extent, ExtentList, wholeExtent } from '../../../io/extents.ts';
import type { ByteWindow } from '../../../model/window.ts';
import type { OpenDisk } from '../../plugin.ts';
import { changedAreas } from '../changed-areas.ts';
import { ofObject } from '../properties.ts';
import type { VimSession } from '../session.ts';
import { isTrue } from '../soap.ts';
import type { WaySubject } from './way.ts';

/** Looked at before it is believed, spread over what is said to be empty. */
const samples = 64;
const sampleBytes = 64 * 1024;
const samplesAhead = 4;

/** The disk, whose flat extent knows its extents where the server tells them. */
export function withAllocated(open: OpenDisk, subject: WaySubject, session: VimSession): OpenDisk {
  const { snapshot, machine, disk, file } = subject;
  // Tracking that was turned on beside a snapshot knows nothing of what was there before: only ours may be there.
  const alone = snapshot !== undefined && machine.snapshots?.length === 1 && session.atLeast('4.0');
  // The disk itself is read, not one above it.
  if (!alone || file === undefined || disk.parents.length > 1) return open;
  return {
    ...open,
    async sibling(name) {
      const found = await open.sibling(name);
      if (found.source.size !== disk.sizeBytes) return found;
      return { ...found, source: tellingExtents(found.source, subject, session) };
    },
  };
}

function tellingExtents(source: ByteSource, subject: WaySubject, session: VimSession): ByteSource {
  let asked: Promise<readonly ByteWindow[] | undefined> | undefined;
  return {
    ...source,
    async extents(from, to, signal) {
      asked ??= allocated(source, subject, session, signal).catch((error) => {
        asked = undefined;
        throw error;
      });
      const ranges = await asked;
      return ranges === undefined ? wholeExtent('data', from, to) : within(ranges, from, to);
    },
  };
}

/** Undefined where it is not known, or where what is told is not so. */
async function allocated(
  source: ByteSource,
  { vm, snapshot, disk }: WaySubject,
  session: VimSession,
  signal: AbortSignal | undefined,
): Promise<readonly ByteWindow[] | undefined> {
  const path = 'config.changeTrackingEnabled';
  const { values } = await ofObject(session, vm, [path], 'asking for change tracking', signal);
  if (!isTrue(values.get(path))) return undefined;
  const { size } = source;
  const told = await changedAreas({ session, vm, snapshot, key: disk.key, size }, '*', signal);
  if (!('ranges' in told)) return undefined;
  return (await areEmpty(source, gapsOf(told.ranges, size), signal)) ? told.ranges : undefined;
}

function gapsOf(ranges: readonly ByteWindow[], size: number): ByteWindow[] {
  const gaps: ByteWindow[] = [];
  let at = 0;
  for (const { offset, length } of [...ranges, { offset: size, length: 0 }]) {
    if (offset > at) gaps.push({ offset: at, length: offset - at });
    at = offset + length;
  }
  return gaps;
}

/** Hosts have told of too little before: some of it is read, at other places each time. */
async function areEmpty(
  source: ByteSource,
  gaps: readonly ByteWindow[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const chosen = sampled(gaps);
  for (let at = 0; at < chosen.length; at += samplesAhead) {
    const part = chosen.slice(at, at + samplesAhead).map(async ({ offset, length }) => {
      const bytes = Buffer.alloc(length);
      await source.read(bytes, offset, signal);
      return bytes.every((byte) => byte === 0);
    });
    if (!(await Promise.all(part)).every(Boolean)) return false;
  }
  return true;
}

/** Spread evenly over the bytes of all gaps. */
function sampled(gaps: readonly ByteWindow[]): ByteWindow[] {
  const total = gaps.reduce((sum, { length }) => sum + length, 0);
  const wanted = Array.from({ length: samples }, (_, i) => ((i + Math.random()) * total) / samples);
  const chosen: ByteWindow[] = [];
  let before = 0;
  for (const gap of gaps) {
    while (wanted.length > 0 && wanted[0]! < before + gap.length) {
      const length = Math.min(sampleBytes, gap.length);
      const at = Math.min(Math.floor(wanted.shift()! - before), gap.length - length);
      chosen.push({ offset: gap.offset + at, length });
    }
    before += gap.length;
  }
  return chosen;
}

function within(ranges: readonly ByteWindow[], from: number, to: number): Extent[] {
  const out = new ExtentList(from);
  for (let i = firstEndingAfter(ranges, from); i < ranges.length && ranges[i]!.offset < to; i++) {
    const { offset, length } = ranges[i]!;
    out.push('zero', Math.max(0, offset - out.end));
    out.push('data', Math.min(to, offset + length) - out.end);
  }
  out.push('zero', to - out.end);
  return out.list;
}

function firstEndingAfter(ranges: readonly ByteWindow[], offset: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle]!;
    if (range.offset + range.length > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
