/**
 * A computer on which commands are run and files are read and written: this one, or one behind SSH. Plugins that
 * work through a host's own tools are written once, against this.
 */
import type { Readable, Writable } from 'node:stream';
import type { ByteSink, ByteSource } from '../byte-source.ts';

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly input?: string | Uint8Array;
  /** More than this on one of its outputs ends the command. Default 16 MiB. */
  readonly maximumBytes?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A command that runs, its two streams with back-pressure. */
export interface Running {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Its end, with the last 64 KiB that it said on its error output. @throws AppError `unreachable` … */
  readonly ended: Promise<{ readonly code: number; readonly stderr: string }>;
  /** Ends it. Safe to be called at any time, also twice. */
  kill(): void;
}

export type HostFileKind = 'file' | 'folder' | 'device' | 'other';

/** Links are followed: it is what the name leads to. */
export interface HostFile {
  /** Absolute. */
  readonly path: string;
  readonly kind: HostFileKind;
  /** Bytes; of a block device its capacity, where the host tells. */
  readonly size: number;
  /** Bytes that it takes on its filesystem, where the host tells. */
  readonly allocatedBytes?: number;
  /** Seconds since 1970. */
  readonly modifiedAt: number;
}

export interface CreateOptions {
  readonly signal?: AbortSignal | undefined;
  readonly mode?: number | undefined;
  /** Flush to the medium in `finish`. Default no. */
  readonly sync?: boolean | undefined;
  /** It is there already, and what it holds stays; `mode` says nothing then. */
  readonly resume?: boolean | undefined;
}

/** Paths are absolute. @throws AppError `not-found`, `auth`, `io`, `unreachable`, `cancelled`. */
export interface HostFiles {
  /** The user's own folder. */
  home(signal?: AbortSignal): Promise<string>;
  /** Links resolved. */
  realpath(path: string, signal?: AbortSignal): Promise<string>;
  /** Undefined where there is nothing. */
  stat(path: string, signal?: AbortSignal): Promise<HostFile | undefined>;
  /** A folder's entries in name order, `.` and `..` left out. */
  list(folder: string, signal?: AbortSignal): Promise<HostFile[]>;
  /** A file or a block device, read at random; its extents where the host can tell them. */
  open(path: string, signal?: AbortSignal): Promise<ByteSource>;
  /** A file's text, refused when it is longer than `maximumBytes` (default 1 MiB). */
  text(path: string, options?: { signal?: AbortSignal; maximumBytes?: number }): Promise<string>;
  /**
   * A new file, sparse where nothing is written; its folder must exist and it must not, unless it is to be resumed.
   * @throws AppError `conflict` when it does, `not-found` when there is nothing to be resumed.
   */
  create(path: string, options?: CreateOptions): Promise<ByteSink>;
  /** With those above it; one that exists is no error. */
  makeFolder(path: string, signal?: AbortSignal): Promise<void>;
  /** A file at `to` is replaced. */
  rename(from: string, to: string, signal?: AbortSignal): Promise<void>;
  /** A file or an empty folder. Nothing there is no error. */
  remove(path: string, signal?: AbortSignal): Promise<void>;
}

export interface Host {
  /** `this computer`, or `user@host`: for messages. */
  readonly name: string;
  /** It is this computer. */
  readonly here: boolean;
  readonly files: HostFiles;
  /** The files as they are for whom `become` makes of the one who starts commands, such as root by sudo. */
  filesAs?(become: (spawn: Host['spawn']) => Host['spawn']): HostFiles;
  /** How files are reached, such as "python helper, 2 connections, zlib"; for a log. */
  describe?(): string;
  /**
   * Runs a command and waits for its end; whatever its exit code, that is an answer. `args` are never seen by a
   * shell but as quoted names. Its language is C (`LC_ALL=C`).
   * @throws AppError `not-found` when there is no such command, `io` when it says too much or is killed,
   * `cancelled`, `unreachable`.
   */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a command whose streams are used while it runs. @throws AppError as `run`. */
  spawn(args: readonly string[], options?: { readonly signal?: AbortSignal | undefined }): Promise<Running>;
  close(): Promise<void>;
}
