/**
 * Archives of an initramfs: cpio "newc" (070701) and the same with a sum (070702), as the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst has it. All numbers are eight hexadecimal digits:
 *
 *   magic(6) ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
 *   name, NUL, padding to 4; data, padding to 4
 */
import { AppError } from '../../../model/errors.ts';
import type { Stream } from './stream.ts';

export const headerBytes = 110;
export const trailer = 'TRAILER!!!';
/** PATH_MAX of Linux, with its NUL. */
const maxNameBytes = 4096;

export interface ArchiveEntry {
  /** Without `/` and `./` before it; `.` for the root itself. */
  readonly name: string;
  /** As stat(2) has it: kind and permissions. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Only where it was asked for. */
  readonly content?: Buffer;
}

export const fileKind = { mask: 0o170000, folder: 0o040000, file: 0o100000, link: 0o120000 } as const;

export type Wanted = (entry: ArchiveEntry) => boolean;

const padding = (length: number) => -length & 3;

const damaged = (message: string) =>
  new AppError('corrupt', `initramfs: ${message}`, {
    hint: 'make it again in the guest (update-initramfs, dracut)',
  });

/**
 * The entries of one archive, which begins where the stream stands, up to its trailer or the end of the stream.
 * @throws AppError `corrupt`.
 */
export async function* cpioEntries(stream: Stream, wanted: Wanted): AsyncGenerator<ArchiveEntry> {
  for (;;) {
    const head = await stream.take(headerBytes);
    if (head.length === 0) return;
    const text = head.toString('latin1');
    if (!/^07070[12][0-9a-fA-F]{104}$/.test(text))
      throw damaged(`no cpio header at ${stream.at - head.length}`);
    const field = (index: number) => Number.parseInt(text.slice(6 + index * 8, 14 + index * 8), 16);
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    if (nameBytes === 0 || nameBytes > maxNameBytes) throw damaged(`a name of ${nameBytes} bytes`);
    const named = await stream.take(nameBytes + padding(headerBytes + nameBytes));
    if (named.length < nameBytes || named[nameBytes - 1] !== 0) throw damaged('a name that does not end');
    const raw = named.toString('utf8', 0, nameBytes - 1);
    if (raw === trailer) return;
    const entry = { name: raw.replace(/^(?:\.?\/+)+/, '') || '.', mode, size };
    if (wanted(entry)) {
      const content = await stream.take(size);
      if (content.length < size) throw damaged(`${entry.name} is cut short`);
      yield { ...entry, content };
    } else {
      await stream.skip(size);
      yield entry;
    }
    await stream.skip(padding(size));
  }
}

/** Skips zeros. @returns the bytes that come then, at least one of them; none at the end. */
export async function skipZeros(stream: Stream): Promise<Buffer> {
  for (;;) {
    const bytes = await stream.take(4);
    if (bytes.length === 0 || bytes.some((byte) => byte !== 0)) return bytes;
  }
}
