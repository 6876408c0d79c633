/** One edit of a guest. Paths are absolute, as the running guest sees them, with no link on the way to the last name. */
import { AppError } from '../../model/errors.ts';

export interface Owner {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export type Edit =
  /** A file as a whole; `before` where there was one. Its mode and owner stay, or are as given, or 0644 of root. */
  | ({
      readonly kind: 'write';
      readonly path: string;
      readonly content: Buffer;
      readonly before?: Buffer;
      /** Neither what it holds nor what it held is shown, logged or kept. */
      readonly secret?: boolean;
    } & Owner)
  /** As `write`, of a file that is too large to be held. What was there is replaced. */
  | ({ readonly kind: 'upload'; readonly path: string; readonly replaced?: Replaced } & Upload & Owner)
  /** Bytes put behind a file that is too large to be held: an initramfs. */
  | { readonly kind: 'append'; readonly path: string; readonly content: Buffer; readonly size: number }
  | { readonly kind: 'copy'; readonly path: string; readonly from: string; readonly size: number }
  | ({ readonly kind: 'remove'; readonly path: string } & Replaced & Owner)
  /** An empty one. */
  | { readonly kind: 'remove-folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string; readonly before?: string }
  | ({ readonly kind: 'folder'; readonly path: string } & Owner)
  | RegistryEdit;

/** A file that is gone then, unless it is too large to be held, or where its link led. */
export interface Replaced {
  readonly before?: Buffer;
  readonly target?: string;
}

/** Bytes that are read when they are written. */
export interface Upload {
  /** Where they come from, for people: a path on this computer, `virtio-win.iso:/…`. */
  readonly from: string;
  readonly size: number;
  /** `size` bytes in all, in pieces of a mebibyte at most. @throws AppError, also when it is no longer that size. */
  chunks(): AsyncIterable<Buffer>;
}

/** What an engine writes of it: never a byte more or less. @throws AppError `conflict`. */
export async function* checkedChunks({ from, size, chunks }: Upload): AsyncGenerator<Buffer> {
  let seen = 0;
  for await (const chunk of chunks()) {
    seen += chunk.length;
    if (seen > size) break;
    if (chunk.length > 0) yield chunk;
  }
  if (seen !== size)
    throw new AppError('conflict', `${size} bytes were there when the changes were worked out, not now`, {
      where: from,
      hint: 'start again when nobody writes to it',
    });
}

export interface RegistryEdit {
  readonly kind: 'registry';
  readonly hive: 'SYSTEM' | 'SOFTWARE';
  /** Below the hive's root, parted by `\`; made where it is missing. */
  readonly key: string;
  /** Absent: the key alone is made, or removed. */
  readonly name?: string;
  /** Absent: the value, or the whole key, is removed. */
  readonly value?: RegistryValue;
  /** For people: what was there. */
  readonly before?: string;
}

export type RegistryValue =
  | { readonly type: 'sz' | 'expand-sz'; readonly data: string }
  | { readonly type: 'multi-sz'; readonly data: readonly string[] }
  | { readonly type: 'dword'; readonly data: number }
  | { readonly type: 'binary'; readonly data: Buffer };
