/** What changed between two states of a disk: VDI.list_changed_blocks, a bit for each 64 KiB, the highest first. */
import { toAppError } from '../../model/errors.ts';
import { KiB } from '../../model/units.ts';
import type { ByteWindow } from '../../model/window.ts';
import type { Changed } from '../plugin.ts';
import type { XapiSession } from './session.ts';

const unit = 64 * KiB;

export interface States {
  readonly from: string;
  readonly to: string;
  /** Of the disk, bytes. */
  readonly size: number;
}

export async function changedRanges(
  session: XapiSession,
  { from, to, size }: States,
  signal: AbortSignal,
): Promise<Changed> {
  const step = 'asking what changed';
  let text: string;
  try {
    text = await session.text('VDI.list_changed_blocks', [from, to], { step, signal });
  } catch (error) {
    const failed = toAppError(error);
    if (['unreachable', 'cancelled', 'auth'].includes(failed.kind)) throw error;
    return { unknown: failed.message };
  }
  return rangesOf(Buffer.from(text, 'base64'), size);
}

/** Pure. A map that is too short says nothing of the rest. */
export function rangesOf(bitmap: Uint8Array, size: number): Changed {
  const count = Math.ceil(size / unit);
  if (bitmap.length * 8 < count)
    return { unknown: `the server tells of ${bitmap.length * 8} blocks of ${count}` };
  const isSet = (index: number) => (bitmap[index >> 3]! & (0x80 >> (index & 7))) !== 0;
  const ranges: ByteWindow[] = [];
  for (let at = 0; at < count; at++) {
    if (!isSet(at)) continue;
    let end = at + 1;
    while (end < count && isSet(end)) end++;
    ranges.push({ offset: at * unit, length: Math.min(end * unit, size) - at * unit });
    at = end;
  }
  return { ranges };
}
