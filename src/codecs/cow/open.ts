/** Opens a COW file over its backing file, which has to be the one that it was made for. */
import type { ByteSource } from '../../io/byte-source.ts';
import { overlay, sourceDisk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { mappedDisk } from '../mapped-disk.ts';
import { bitmapPieces } from './bitmap.ts';
import { type Header, readHeader } from './header.ts';

export async function openCow(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const header = await readHeader(source, context.signal);
  const backing = await openBacking(source, header, context);
  try {
    const findings = checkBacking(source, header, backing);
    const layer = mappedDisk({
      source,
      size: header.size,
      absent: 'hole',
      pieces: bitmapPieces(source, header),
    });
    return { ...overlay(layer, sourceDisk(backing)), info: infoOf(source, header, backing, findings) };
  } catch (error) {
    await backing.close();
    throw error;
  }
}

/** By its name; else, as the name is mostly absolute and files are moved, beside the COW file. */
async function openBacking(source: ByteSource, header: Header, context: OpenContext): Promise<ByteSource> {
  const { backingFile } = header;
  if (backingFile === '')
    throw new AppError('corrupt', 'a COW file without a backing file', { where: source.name });
  const plain = backingFile.split('/').at(-1)!;
  try {
    return await context.sibling(backingFile);
  } catch (error) {
    const elsewhere = plain !== '' && plain !== backingFile;
    if (!(error instanceof AppError) || error.kind !== 'not-found' || !elsewhere) throw error;
    return context.sibling(plain);
  }
}

/** As User Mode Linux does: another size or time, and the changes belong to something else. */
function checkBacking(source: ByteSource, header: Header, backing: ByteSource): Finding[] {
  if (backing.size !== header.size) {
    throw new AppError(
      'corrupt',
      `the backing file "${backing.name}" has ${backing.size} bytes, its COW file expects ${header.size}`,
      { where: source.name, hint: 'put the backing file there that it was made with' },
    );
  }
  const { modifiedAt } = backing;
  if (modifiedAt === undefined) {
    return [
      {
        rule: 'cow.backing-time-unknown',
        severity: 'warning',
        message: 'it is not known when the backing file was last changed, so it may not be the right one',
        evidence: backing.name,
      },
    ];
  }
  // 32 bits are kept of the time.
  if (modifiedAt % 2 ** 32 !== header.mtime % 2 ** 32) {
    throw new AppError(
      'corrupt',
      `the backing file "${backing.name}" was changed at ${timeOf(modifiedAt)}, its COW file expects ${timeOf(header.mtime)}`,
      {
        where: source.name,
        hint: `if only its time was changed (by a copy), set it back: touch -d @${header.mtime} on the backing file`,
      },
    );
  }
  return [];
}

const timeOf = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString();
};

function infoOf(
  source: ByteSource,
  header: Header,
  backing: ByteSource,
  findings: readonly Finding[],
): ImageInfo {
  return {
    format: 'cow',
    variant: `v${header.version}`,
    details: {
      version: header.version,
      byteOrder: header.byteOrder === 'be' ? 'big-endian' : 'little-endian',
      sectorBytes: header.sectorBytes,
      backingFile: header.backingFile,
      backingModifiedAt: timeOf(header.mtime),
    },
    virtualSizeBytes: header.size,
    files: [source.name],
    parent: {
      format: 'raw',
      details: {},
      virtualSizeBytes: backing.size,
      files: [backing.name],
      findings: [],
    },
    findings,
  };
}
