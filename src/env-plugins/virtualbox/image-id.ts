/**
 * The UUID that an image file holds, seen as it is written: VirtualBox refuses a disk whose own UUID is not the one in
 * the machine's settings.
 */
import { posix } from 'node:path';
import { type ByteSink, type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';

/** VDI: the signature at 64, the UUID at 392. */
const vdiSignature = 0xbeda107f;
const vdiHeadBytes = 408;
/** VHD: a footer of 512 bytes at the end. */
const vhdFooterBytes = 512;
/** VMDK: a descriptor, of 20 sectors behind a sector of header at the most, or a text of its own. */
const vmdkHeadBytes = 21 * 512;

export interface WatchedSink {
  readonly sink: ByteSink;
  /** Once all is written; undefined where none was seen. Absent for a file that is no disk but a part of one. */
  id?(): string | undefined;
}

/** `before`: the disk that was last begun, which this file may be an extent of. */
export function watchImage(sink: ByteSink, name: string, before: string | undefined): WatchedSink {
  switch (posix.extname(name).toLowerCase()) {
    case '.vdi':
      return watchHead(sink, vdiHeadBytes, vdiUuid);
    case '.vhd':
      return watchFooter(sink);
    case '.vmdk':
      if (isExtentOf(before, name)) return { sink };
      return watchHead(refusingStreams(sink, name), vmdkHeadBytes, vmdkUuid);
    default:
      return { sink, id: () => undefined };
  }
}

/** `a-s001.vmdk`, `a-f001.vmdk` and `a-flat.vmdk` come behind their descriptor `a.vmdk`. */
function isExtentOf(disk: string | undefined, name: string): boolean {
  const own = disk?.replace(/\.vmdk$/i, '');
  return (
    own !== undefined && name.startsWith(own) && /^-(s\d+|f\d+|flat)\.vmdk$/i.test(name.slice(own.length))
  );
}

function watchHead(sink: ByteSink, bytes: number, uuidIn: (head: Buffer) => string | undefined): WatchedSink {
  const head = Buffer.alloc(bytes);
  return {
    sink: {
      ...sink,
      async write(part, offset, signal) {
        if (offset < bytes) head.set(part.subarray(0, bytes - offset), offset);
        await sink.write(part, offset, signal);
      },
    },
    id: () => uuidIn(head),
  };
}

const vdiUuid = (head: Buffer): string | undefined =>
  head.length >= vdiHeadBytes && head.readUInt32LE(64) === vdiSignature
    ? mixedUuid(head.subarray(392, 408))
    : undefined;

const vmdkUuid = (head: Buffer): string | undefined =>
  /^ddb\.uuid\.image="([0-9a-f-]{36})"$/im.exec(head.toString('latin1'))?.[1]?.toLowerCase();

const isFooter = (bytes: Buffer): boolean =>
  bytes.length >= vhdFooterBytes && bytes.toString('latin1', 0, 8) === 'conectix';

/** What an image there is says of itself. Undefined where it is none of these formats, or has none. */
export async function uuidOfImage(source: ByteSource, signal: AbortSignal): Promise<string | undefined> {
  const head = await readBytes(source, 0, Math.min(vmdkHeadBytes, source.size), signal);
  const end = Math.max(0, source.size - vhdFooterBytes);
  const footer = await readBytes(source, end, source.size - end, signal);
  if (isFooter(footer)) return mixedUuid(footer.subarray(68, 84));
  return vdiUuid(head) ?? (looksLikeVmdk(head) ? vmdkUuid(head) : undefined);
}

const looksLikeVmdk = (head: Buffer): boolean =>
  /^(KDMV|\s*# *Disk Descriptor)/i.test(head.toString('latin1', 0, 64));

/** The footer nearest to the end: a guest's data may look like one as well. */
function watchFooter(sink: ByteSink): WatchedSink {
  let footer: { readonly end: number; readonly bytes: Buffer } | undefined;
  const see = (bytes: Buffer, end: number) => {
    if (isFooter(bytes) && end > (footer?.end ?? 0)) footer = { end, bytes: Buffer.from(bytes) };
  };
  return {
    sink: {
      ...sink,
      async write(bytes, offset, signal) {
        const part = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        see(part.subarray(-vhdFooterBytes), offset + part.length);
        await sink.write(bytes, offset, signal);
      },
    },
    id: () => footer && mixedUuid(footer.bytes.subarray(68, 84)),
  };
}

/** VirtualBox reads a stream to import it, and can't run a machine from it. */
function refusingStreams(sink: ByteSink, name: string): ByteSink {
  return {
    ...sink,
    async write(bytes, offset, signal) {
      const head = offset <= 512 ? Buffer.from(bytes.subarray(0, vmdkHeadBytes)).toString('latin1') : '';
      if (/^createType="streamOptimized"/m.test(head)) {
        throw new AppError('unsupported', "VirtualBox can't run a machine from a VMDK made for transport", {
          where: name,
          hint: 'choose the layout monolithicSparse (--option subformat=monolithicSparse)',
        });
      }
      await sink.write(bytes, offset, signal);
    },
  };
}

/** The first three fields are numbers, little-endian. */
function mixedUuid(b: Buffer): string | undefined {
  if (b.every((byte) => byte === 0)) return undefined;
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  const numbers = [hex(b.readUInt32LE(0), 8), hex(b.readUInt16LE(4), 4), hex(b.readUInt16LE(6), 4)];
  return [...numbers, b.toString('hex', 8, 10), b.toString('hex', 10, 16)].join('-');
}
