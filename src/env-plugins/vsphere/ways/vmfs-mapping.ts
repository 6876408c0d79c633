/**
 * `vmkfstools -t0 DISK.vmdk` on an ESXi host: which ranges of the disk VMFS has blocks for. VMware does not document the
 * option; its form is known from public scripts that look at it:
 *
 *     Mapping for file DISK.vmdk (10737418240 bytes in size):
 *     [           0:     2097152] --> [VMFS -- LVID:51b0…/51b0…/1:( 1205862400 --> 1207959552)]
 *     [     2097152: 10735321088] --> [NOMP -- :(          0 --> 10735321088)]
 *
 * An offset and a length in bytes, then where they are. `NOMP`: nowhere, they read as zeros. `VMFS Z-` are blocks that
 * are to be zeroed before their first use; they are read like all others.
 */
import { type Extent, ExtentList } from '../../../io/extents.ts';

const line = /^\[\s*(\d{1,16}):\s*(\d{1,16})\]\s*-->\s*\[([A-Z]{2,8})\s+([^\s\]]{2})\s/;
const firstLine = /^Mapping for file .* \((\d{1,16}) bytes in size\):?\s*$/;

/** Undefined for anything that is not understood to the last line, or does not cover the disk exactly. */
export function parseMapping(text: string, size: number): readonly Extent[] | undefined {
  const out = new ExtentList(0);
  let told = false;
  for (const row of text.split('\n')) {
    if (row.trim() === '') continue;
    const head = told ? null : firstLine.exec(row);
    if (head !== null) {
      if (Number(head[1]) !== size) return undefined;
      told = true;
      continue;
    }
    const found = line.exec(row);
    if (found === null) return undefined;
    const [, offset, length, place, state] = found;
    if (Number(offset) !== out.end || Number(length) > size - out.end || Number(length) === 0)
      return undefined;
    out.push(place === 'NOMP' && state === '--' ? 'zero' : 'data', Number(length));
  }
  return out.end === size ? out.list : undefined;
}

/** The part of a whole mapping, as `Disk.extents` gives it. */
export function mappedWithin(mapping: readonly Extent[], from: number, to: number): Extent[] {
  const out = new ExtentList(from);
  for (let i = firstEndingAfter(mapping, from); i < mapping.length && mapping[i]!.offset < to; i++) {
    const { kind, offset, length } = mapping[i]!;
    out.push(kind, Math.min(to, offset + length) - out.end);
  }
  return out.list;
}

function firstEndingAfter(mapping: readonly Extent[], offset: number): number {
  let low = 0;
  let high = mapping.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const extent = mapping[middle]!;
    if (extent.offset + extent.length > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
