/** What the first megabytes of an image tell, where the rest can't be read at random. Nothing of it is checked. */
import { header as parallelsHeader } from '../codecs/parallels/layout.ts';
import { header as qcowHeader } from '../codecs/qcow/layout.ts';
import { headerV2 } from '../codecs/qcow2/layout.ts';
import { header as qedHeader } from '../codecs/qed/layout.ts';
import { codecs, probeFormat } from '../codecs/registry.ts';
import { header as vdiHeader } from '../codecs/vdi/layout.ts';
import { footer as vhdFooter } from '../codecs/vhd/layout.ts';
import {
  formatGuid,
  guids,
  metadataEntry,
  metadataHeader,
  regionEntry,
  regionTableHeader,
} from '../codecs/vhdx/layout.ts';
import { headerStruct } from '../codecs/vmdk/layout.ts';
import { type ByteSource, unknownSize } from '../io/byte-source.ts';
import { gptSize } from '../io/wrappers/content-size.ts';
import { KiB, MiB } from '../model/units.ts';
import { extensionOf } from './open-image.ts';

/** As far as a VHDX has its metadata. */
export const headBytes = 4 * MiB;

export interface HeadFacts {
  /** The codec's id. */
  readonly format: string;
  readonly virtualSizeBytes?: number;
}

/**
 * Undefined where the beginning doesn't tell the format: a fixed VHD and a DMG have their marks at the end.
 * `format` overrides the marks. @throws AppError `unsupported` when two formats claim it.
 */
export async function headFacts(
  head: Buffer,
  name: string,
  format: string | undefined,
): Promise<HeadFacts | undefined> {
  const found = format ?? (await formatOf(head, name));
  if (found === undefined) return undefined;
  const size = sizeOf(head, found);
  return { format: found, ...(size === undefined ? {} : { virtualSizeBytes: size }) };
}

async function formatOf(head: Buffer, name: string): Promise<string | undefined> {
  const { codec, sure } = await probeFormat(beginning(head, name));
  if (sure) return codec.id;
  const extension = extensionOf(name);
  const named = codecs.find(({ extensions }) => extensions.includes(extension));
  if (named !== undefined) return named.id === 'raw' ? 'raw' : undefined;
  return gptSize(head, 512) === undefined ? undefined : 'raw';
}

/** The rest reads as zeros, so that no mark is seen at an end that isn't one. */
function beginning(head: Buffer, name: string): ByteSource {
  return {
    name,
    size: unknownSize,
    access: 'forward',
    async read(target, offset) {
      target.fill(0);
      target.set(head.subarray(offset, offset + target.length));
    },
    async close() {
      // nothing is held
    },
  };
}

function sizeOf(head: Buffer, format: string): number | undefined {
  try {
    const size = sizers[format]?.(head);
    return size !== undefined && Number.isSafeInteger(size) ? size : undefined;
  } catch {
    return undefined; // a number larger than any disk, or the end of what there is
  }
}

const sizers: Readonly<Record<string, (head: Buffer) => number | undefined>> = {
  qcow2: (head) => headerV2.decode(head).size,
  qcow: (head) => qcowHeader.decode(head).size,
  qed: (head) => qedHeader.decode(head).imageSize,
  vdi: (head) => vdiHeader.decode(head).diskSize,
  // A descriptor, and a header that only carries one, have no size of their own.
  vmdk: (head) => {
    const { magicNumber, capacity } = headerStruct.decode(head);
    return magicNumber === 'KDMV' && capacity > 0 ? capacity * 512 : undefined;
  },
  // The first sector of a dynamic one repeats the footer.
  vhd: (head) => {
    const { cookie, currentSize } = vhdFooter.decode(head);
    return cookie === 'conectix' ? currentSize : undefined;
  },
  parallels: (head) => Number(parallelsHeader.decode(head).sectors) * 512,
  vhdx: vhdxSize,
  raw: (head) => gptSize(head, 512),
};

/** [MS-VHDX] 2.2.3, 2.6: the region table names the metadata, which names the size. */
function vhdxSize(head: Buffer): number | undefined {
  const regions = 192 * KiB;
  const { entryCount } = regionTableHeader.decode(head, regions);
  for (let i = 0; i < Math.min(entryCount, 16); i++) {
    const region = regionEntry.decode(head, regions + regionTableHeader.bytes + i * regionEntry.bytes);
    if (formatGuid(region.guid) !== guids.metadataRegion) continue;
    const at = Number(region.fileOffset);
    const items = metadataHeader.decode(head, at).entryCount;
    for (let n = 0; n < Math.min(items, 64); n++) {
      const item = metadataEntry.decode(head, at + metadataHeader.bytes + n * metadataEntry.bytes);
      if (formatGuid(item.itemId) === guids.virtualDiskSize)
        return Number(head.readBigUInt64LE(at + item.offset));
    }
  }
  return undefined;
}
