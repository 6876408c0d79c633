/** Files inside a volume, read by path: what every filesystem reader offers. */
import { AppError } from '../../model/errors.ts';
import type { VolumeState } from '../../model/guest-report.ts';

export type FileKind = 'file' | 'folder' | 'link' | 'other';

export interface FileStat {
  readonly kind: FileKind;
  /** Bytes; of a link the length of its target. */
  readonly size: number;
  /** Permission bits with set-user-ID and the like (0o7777); absent where the filesystem has none. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. */
  readonly modifiedAt?: number;
}

export interface FolderEntry {
  readonly name: string;
  /** Where the folder itself tells it, so that nothing more is read. */
  readonly kind?: FileKind;
}

/** A file found once, to be read in pieces. */
export interface OpenFile {
  readonly stat: FileStat;
  /** The bytes from `offset` on; fewer at the end of the file. `length` must be bounded by the caller. */
  readAt(offset: number, length: number): Promise<Buffer>;
}

/**
 * Paths are parted by `/`. Names are as in `names.ts`: lossless, and never `.`, `..`, empty, or with a `/` or NUL.
 * They may hold any other control character: make them plain before they are shown.
 * Links are followed inside this volume only; `lstat`, `readlink` and `entries` are for who joins several.
 */
export interface Files {
  /** Undefined when there is nothing at this path. */
  stat(path: string): Promise<FileStat | undefined>;
  /** As `stat`, of the link itself when the path ends in one. */
  lstat(path: string): Promise<FileStat | undefined>;
  /** Where the link at the end of this path leads, as it is written; undefined when there is none. */
  readlink(path: string): Promise<string | undefined>;
  /** The file's first `maxBytes` bytes; undefined when there is no file at this path. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Undefined when there is no file at this path. */
  open(path: string): Promise<OpenFile | undefined>;
  /** Names in a folder without `.` and `..`; empty when there is no folder at this path. */
  list(path: string): Promise<string[]>;
  /** As `list`, with the kinds. */
  entries(path: string): Promise<FolderEntry[]>;
}

/** What the filesystem says of itself. */
export interface VolumeFacts {
  readonly label?: string;
  readonly uuid?: string;
  readonly blockBytes: number;
  readonly sizeBytes: number;
  readonly freeBytes?: number;
  /** Absent where inodes are made as needed. */
  readonly inodes?: number;
  readonly freeInodes?: number;
  /** `dirty`: its journal or log holds changes, or it was not unmounted. */
  readonly state: VolumeState;
  /** What a person should know of how it was read: a journal replayed, files that can't be decoded. */
  readonly notes: readonly string[];
}

export interface VolumeFiles extends Files {
  readonly facts: VolumeFacts;
}

/** Counts work down, so that a hostile volume with endless folders comes to an end. */
export class Budget {
  readonly #total: number;
  readonly #what: string;
  #left: number;

  constructor(total: number, what: string) {
    this.#total = total;
    this.#what = what;
    this.#left = total;
  }

  /** @throws AppError `corrupt` when it is used up. */
  spend(amount = 1): void {
    this.#left -= amount;
    if (this.#left < 0) throw new AppError('corrupt', `gave up after ${this.#total} ${this.#what}`);
  }

  /** To be called at the start of each thing asked for; `more` for one that is large. */
  refill(more = 0): void {
    this.#left = this.#total + more;
  }
}
