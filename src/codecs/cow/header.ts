/** Reading the header of any version and byte order. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { headers, magic, type Places, placesOf, sectorBytes } from './layout.ts';

export interface Header extends Places {
  readonly version: number;
  readonly byteOrder: 'be' | 'le';
  readonly size: number;
  readonly sectorBytes: number;
  readonly backingFile: string;
  /** Seconds since 1970; 32 bits. */
  readonly mtime: number;
}

interface Mark {
  readonly version: number;
  readonly byteOrder: 'be' | 'le';
}

/** Version and byte order, where the mark of this format is there. */
export async function readMark(source: ByteSource, signal?: AbortSignal): Promise<Mark | undefined> {
  if (source.size < 8) return undefined;
  const bytes = await readBytes(source, 0, 8, signal);
  if (bytes.readUInt32BE(0) === magic) return { version: bytes.readUInt32BE(4), byteOrder: 'be' };
  if (bytes.readUInt32LE(0) === magic) return { version: bytes.readUInt32LE(4), byteOrder: 'le' };
  return undefined;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<Header> {
  const where = source.name;
  const mark = await readMark(source, signal);
  if (mark === undefined) throw new AppError('corrupt', 'no COW file of User Mode Linux', { where });
  const { version, byteOrder } = mark;
  if (version < 1 || version > 3) {
    throw new AppError('unsupported', `COW version ${version}, known are 1, 2 and 3`, { where });
  }
  const layout = headers[byteOrder];
  const kind = version === 1 ? 'v1' : version === 2 ? 'v2' : (await isWide(source, signal)) ? 'v3Wide' : 'v3';
  if (source.size < layout[kind].bytes)
    throw new AppError('corrupt', 'the COW header is cut short', { where });
  const bytes = await readBytes(source, 0, layout[kind].bytes, signal);
  const fields = { alignment: sectorBytes, format: 0, ...layout[kind].decode(bytes) };
  checkFields(fields, where);
  const places = placesOf(version, fields.size, fields.sectorBytes, layout[kind].bytes, fields.alignment);
  if (places.bitmapOffset + places.bitmapBytes > source.size) {
    throw new AppError('corrupt', `the COW bitmap of ${places.bitmapBytes} bytes goes past the end`, {
      where,
    });
  }
  const name = Buffer.from(fields.backingFile);
  const end = name.indexOf(0);
  return {
    ...places,
    version,
    byteOrder,
    size: fields.size,
    sectorBytes: fields.sectorBytes,
    mtime: fields.mtime,
    backingFile: name.toString('utf8', 0, end < 0 ? name.length : end),
  };
}

/** The name begins with a zero where a number is in its place: see `v3Wide`. */
async function isWide(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < 36) return false;
  return (await readBytes(source, 32, 4, signal)).readUInt32LE(0) === 0;
}

function checkFields(
  fields: { size: number; sectorBytes: number; alignment: number; format: number },
  where: string,
): void {
  const { size, alignment, format } = fields;
  if (fields.sectorBytes % sectorBytes !== 0 || fields.sectorBytes === 0 || fields.sectorBytes > 64 * KiB) {
    throw new AppError('unsupported', `COW sectors of ${fields.sectorBytes} bytes`, { where });
  }
  if (alignment === 0 || alignment > 64 * MiB) {
    throw new AppError('corrupt', `a COW alignment of ${alignment}`, { where });
  }
  if (format !== 0) throw new AppError('unsupported', `COW format ${format}, 0 (bitmap) is known`, { where });
  if (size > Number.MAX_SAFE_INTEGER / 2)
    throw new AppError('corrupt', `a COW file of ${size} bytes`, { where });
}
