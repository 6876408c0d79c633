/** What a database of rpm holds by package: a header, of which mostly the beginning is wanted. */
export interface Blob {
  readonly size: number;
  /** The first `length` bytes, fewer where it is shorter. @throws AppError `corrupt`. */
  head(length: number): Promise<Buffer>;
}

/** No header of a package comes near (rpm itself allows 256 MiB). */
export const maxBlobBytes = 64 * 1024 * 1024;
