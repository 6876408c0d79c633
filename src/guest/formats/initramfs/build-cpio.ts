/** An archive to be added to an initramfs: the kernel unpacks every one that follows, later files win. */
import { gzipSync } from 'node:zlib';
import { AppError } from '../../../model/errors.ts';
import { fileKind, headerBytes, trailer } from './cpio.ts';

export interface NewEntry {
  /** Without `/` before it. */
  readonly name: string;
  /** Kind and permissions; by default a file of 0644, or a folder of 0755 where there is no content. */
  readonly mode?: number;
  /** A link's target is its content. */
  readonly content?: Uint8Array;
  /** Seconds since 1970. */
  readonly mtime?: number;
}

/** The entries with the folders that they lie in before them: the kernel makes none by itself. */
export function withFolders(entries: readonly NewEntry[]): NewEntry[] {
  const seen = new Set<string>();
  const all: NewEntry[] = [];
  for (const entry of entries) {
    const parts = entry.name.split('/');
    for (let i = 1; i < parts.length; i++) {
      const folder = parts.slice(0, i).join('/');
      if (!seen.has(folder)) all.push({ name: folder });
      seen.add(folder);
    }
    if (!seen.has(entry.name)) all.push(entry);
    seen.add(entry.name);
  }
  return all;
}

/** @throws AppError `usage` for a name that leads out, `unsupported` for a file of 4 GiB. */
export function buildCpio(entries: readonly NewEntry[]): Buffer {
  const parts: Buffer[] = [];
  let ino = 1;
  for (const { name, mode, content, mtime } of entries) {
    if (
      name === '' ||
      name.includes('\0') ||
      name.split('/').some((part) => ['', '.', '..'].includes(part))
    ) {
      throw new AppError('usage', `"${name}" can not be a name in an initramfs`);
    }
    const kept = mode ?? (content === undefined ? fileKind.folder | 0o755 : fileKind.file | 0o644);
    parts.push(...member(name, ino++, kept, mtime ?? 0, content ?? new Uint8Array(0)));
  }
  return Buffer.concat([...parts, ...member(trailer, 0, 0, 0, new Uint8Array(0))]);
}

function member(name: string, ino: number, mode: number, mtime: number, content: Uint8Array): Buffer[] {
  if (content.length >= 2 ** 32) throw new AppError('unsupported', `${name} has ${content.length} bytes`);
  const bytes = Buffer.from(`${name}\0`, 'utf8');
  const links = (mode & fileKind.mask) === fileKind.folder ? 2 : 1;
  const fields = [ino, mode, 0, 0, links, mtime, content.length, 0, 0, 0, 0, bytes.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [
    Buffer.from(head, 'latin1'),
    bytes,
    Buffer.alloc(-(headerBytes + bytes.length) & 3),
    Buffer.from(content.buffer, content.byteOffset, content.length),
    Buffer.alloc(-content.length & 3),
  ];
}

/**
 * What is to be written behind an initramfs of this size: zeros, then the archive. An archive begins at a multiple of
 * four; at least four zeros tell the kernel's lz4 reader (5.11 and later) that its part has ended.
 */
export function addedSegment(
  sizeBefore: number,
  cpio: Buffer,
  compression: 'none' | 'gzip' = 'none',
): Buffer {
  const zeros = Buffer.alloc(4 + (-sizeBefore & 3));
  return Buffer.concat([zeros, compression === 'gzip' ? gzipSync(cpio, { level: 9 }) : cpio]);
}
