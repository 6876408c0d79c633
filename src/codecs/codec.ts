/** The contract of a disk format. See ARCHITECTURE.md, "A codec". */
import type { ByteSource } from '../io/byte-source.ts';
import type { Disk } from '../io/disk.ts';
import type { EncodedFile } from '../io/encoded-file.ts';
import type { CheckReport } from '../model/check-report.ts';
import type { ImageInfo } from '../model/image-info.ts';
import type { OptionSpec, Options } from '../model/options.ts';

export type { ImageInfo };

/** `yes`: a signature was seen; `maybe`: nothing speaks against it (only raw ever says so). */
export type Probe = 'no' | 'maybe' | 'yes';

/** An image that is open: the whole chain as one disk (no extent of kind `hole`), and what is known of it. */
export interface OpenImage extends Disk {
  readonly info: ImageInfo;
  /** When what it was opened from was last changed, seconds since 1970, where that is known. */
  readonly modifiedAt?: number;
  /** It can only be read once, from its start to its end. */
  readonly onlyForward?: true;
  /** All that it was read from against checksums that lie beside. @throws AppError `corrupt`. */
  verify?(signal?: AbortSignal): Promise<void>;
}

/** What a codec may ask for while it opens an image. It never opens a file itself. */
export interface OpenContext {
  readonly signal?: AbortSignal;
  /**
   * A secret that the image needs, such as `passphrase`; absent where there is none to be had.
   * @throws AppError `auth` when it was not given.
   */
  secret?(what: string): Promise<string>;
  /** The internal snapshot to open instead of the current state: its id or name. */
  readonly snapshot?: string;
  /**
   * A file named inside the image, as the image writes it (relative to the image, or absolute).
   * @throws AppError `not-found`, or `unsupported` when the place may not be opened (another host, a URL).
   */
  sibling(name: string): Promise<ByteSource>;
  /**
   * Names of the files beside the image, for a format that knows its parent by an id only; each may be asked for
   * with `sibling` or `parent`. Absent where the place can't be listed.
   */
  neighbours?(): Promise<string[]>;
  /** The image below, opened through the registry; `format` is the id that the child names, where it does. */
  parent(name: string, format?: string): Promise<OpenImage>;
}

/** An image that lies below the one that is written: what it holds already is not stored again. */
export interface Backing {
  /** As `OpenImage`: no extent of kind `hole`. Read ascending, and only where both disks may hold data. */
  readonly disk: Disk;
  /** What the written image is to call it: relative to the folder where that one will be. */
  readonly name: string;
  /** The id of its codec. */
  readonly format: string;
}

export interface EncodeContext {
  /** Only for an encoder that says `backing`. */
  readonly backing?: Backing | undefined;
}

export interface CheckContext extends OpenContext {
  /** Checksums over the data are looked at as well, which takes reading all of it. */
  readonly deep?: boolean;
}

export interface Encoder {
  readonly options: readonly OptionSpec[];
  /** Largest disk that the format can hold, bytes. */
  maximumBytes(options: Options): number;
  /** The size that the disk will have in this format, when the format can't say `size` exactly; else `size`. */
  representableBytes(size: number, options: Options): number;
  /**
   * The files to write, `name` being the first one's (with its extension); every header and table is laid out
   * before the first byte. The disk has no extent of kind `hole` and is read once, ascending.
   * `options` are complete and checked (`resolveOptions`). The disk is the whole one, also over a backing image.
   */
  encode(disk: Disk, name: string, options: Options, context?: EncodeContext): Promise<EncodedFile[]>;
  /** The format can name an image below it and hold only what differs. */
  readonly backing?: true;
  /**
   * With these options the places in the file depend on where the disk holds data, and not on the bytes; each chunk of
   * the disk's bytes says where they lie there (`Chunk.disk`). A conversion that was cut can be gone on with then.
   * Absent: never. Not asked where there is a backing image.
   */
  steady?(options: Options): boolean;
}

export interface Codec {
  /** `qcow2`, `vmdk` … as `qemu-img -f` names it where it does. */
  readonly id: string;
  /** For people: `VMware disk (VMDK)`. */
  readonly label: string;
  /** Without the dot; the first is what we give. */
  readonly extensions: readonly string[];
  /** Never throws for content. Looks at the tail as well where the mark is there. */
  probe(source: ByteSource, signal?: AbortSignal): Promise<Probe>;
  /**
   * Whether an image that begins so can be opened from a source that is only read forward, and be read once from
   * its start to its end. Absent where none can.
   */
  forward?(head: Buffer): boolean;
  /**
   * @throws AppError `corrupt`, `unsupported`. On an error the source stays the caller's; on success the image
   * owns it and closes it.
   */
  open(source: ByteSource, context: OpenContext): Promise<OpenImage>;
  /**
   * Looks at this layer's tables as a whole, parents left out: what `open` would stop at, and what it has no need
   * to look at (reference counts, overlaps, copies). The source, read at random, stays the caller's. Absent where
   * opening and walking the extents tells all.
   * @throws AppError `corrupt` where nothing else can be said, `unsupported`.
   */
  check?(source: ByteSource, context: CheckContext): Promise<CheckReport>;
  readonly encoder?: Encoder;
}
