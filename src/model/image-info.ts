import type { Finding } from './finding.ts';

/** What an image is, for `inspect`, the Image screen and findings. Plain data. */
export interface ImageInfo {
  /** The codec's id. */
  readonly format: string;
  /** The kind within the format, such as `v3, zlib` or `streamOptimized`. */
  readonly variant?: string;
  /** The format's own facts, named in its spec's words. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly virtualSizeBytes: number;
  /** Names of all files read for this layer, the image itself first. */
  readonly files: readonly string[];
  /** The layer below, where there is one. */
  readonly parent?: ImageInfo;
  readonly findings: readonly Finding[];
}
