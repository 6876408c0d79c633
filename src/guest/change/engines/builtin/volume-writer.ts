/** What the built-in engine needs of a filesystem. Paths are absolute inside the volume. */
export interface WrittenStat {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
}

export interface Room {
  readonly blockBytes: number;
  readonly freeBlocks: number;
  /** Absent where files are made as needed. */
  readonly freeFiles?: number;
}

export interface Owner {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface VolumeWriter {
  readonly room: Room;
  /** Undefined when there is nothing. */
  stat(path: string): Promise<WrittenStat | undefined>;
  /** Mode, owner and what else is kept with a file stay where it is there. */
  write(path: string, content: Buffer, as: Owner): Promise<void>;
  append(path: string, content: Buffer): Promise<void>;
  /** With the mode and owner of `from`. */
  copy(from: string, to: string, size: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** An empty one. */
  removeFolder(path: string): Promise<void>;
  link(path: string, target: string): Promise<void>;
  folder(path: string, as: Owner & { readonly mode: number }): Promise<void>;
  /** Writes what is held back. Nothing may be called after it. */
  close(): Promise<void>;
  /** Ends it as it is; safe at any time. */
  end(): Promise<void>;
}
