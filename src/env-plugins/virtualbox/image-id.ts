/**
 * The UUID that an image file holds, seen as it is written: VirtualBox refuses a disk whose own UUID is not the one in
 * the machine's settings.
 */
import type { ByteSink } from '../../io/byte-source.ts';

/** VDI: the signature at 64, the UUID at 392. */
const vdiSignature = 0xbeda107f;
const vdiHeadBytes = 408;
/** VHD: a footer of 512 bytes at the end, and in a dynamic one at the start as well. */
const vhdFooterBytes = 512;

export interface WatchedSink {
  readonly sink: ByteSink;
  /** Once all is written; undefined where none was seen. */
  id(): string | undefined;
}

export function watchImage(sink: ByteSink): WatchedSink {
  const head = Buffer.alloc(vdiHeadBytes);
  /** The one nearest to the end: a guest's data may look like one as well. */
  let footer: { readonly end: number; readonly bytes: Buffer } | undefined;
  const see = (bytes: Buffer, end: number) => {
    if (isFooter(bytes) && end > (footer?.end ?? 0)) footer = { end, bytes: Buffer.from(bytes) };
  };
  return {
    sink: {
      ...sink,
      async write(bytes, offset, signal) {
        const part = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        if (offset < vdiHeadBytes) part.copy(head, offset, 0, Math.min(part.length, vdiHeadBytes - offset));
        if (offset === 0) see(part.subarray(0, vhdFooterBytes), vhdFooterBytes);
        see(part.subarray(-vhdFooterBytes), offset + part.length);
        await sink.write(bytes, offset, signal);
      },
    },
    id() {
      if (head.readUInt32LE(64) === vdiSignature) return mixedUuid(head.subarray(392, 408));
      return footer === undefined ? undefined : mixedUuid(footer.bytes.subarray(68, 84));
    },
  };
}

const isFooter = (bytes: Buffer): boolean =>
  bytes.length >= vhdFooterBytes && bytes.toString('latin1', 0, 8) === 'conectix';

/** The first three fields are numbers, little-endian. */
function mixedUuid(b: Buffer): string | undefined {
  if (b.every((byte) => byte === 0)) return undefined;
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  const numbers = [hex(b.readUInt32LE(0), 8), hex(b.readUInt16LE(4), 4), hex(b.readUInt16LE(6), 4)];
  return [...numbers, b.toString('hex', 8, 10), b.toString('hex', 10, 16)].join('-');
}
