/** A cpio archive as the kernel takes it for an initial ramdisk: "newc". */
export interface CpioEntry {
  readonly name: string;
  /** Type and permissions. */
  readonly mode: number;
  /** A file's content, or where a symbolic link leads. */
  readonly bytes?: Uint8Array;
  /** Of a device: major and minor number. */
  readonly device?: readonly [number, number];
}

export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const all = [...entries, { name: 'TRAILER!!!', mode: 0 }];
  return Buffer.concat(all.flatMap((entry, i) => parts(entry, i + 1)));
}

function parts(
  { name, mode, bytes = Buffer.alloc(0), device = [0, 0] }: CpioEntry,
  inode: number,
): Uint8Array[] {
  const path = Buffer.from(`${name}\0`);
  // inode, mode, uid, gid, links, time, size, device of the file, device that it is, length of the name, checksum
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, ...device, path.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, path, padding(header.length + path.length), bytes, padding(bytes.length)];
}

const padding = (length: number): Uint8Array => Buffer.alloc((4 - (length % 4)) % 4);
