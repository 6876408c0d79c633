/** ext2/3/4 by the library ext2fs (e2fsprogs in WebAssembly). Paths are bytes. */

/**
 * The library's memory is 16 MiB, which the descriptors and bitmaps of 300 GB fill: the limits in its memory section are
 * written anew before it is compiled. 256 pages (LEB128 80 02) become 8192 (80 40), of the same length; untouched ones
 * take no memory.
 */
const memory = `
const { instantiate } = WebAssembly;
const limits = Buffer.from([5, 6, 1, 1, 0x80, 0x02, 0x80, 0x02]);
WebAssembly.instantiate = (code, imports) => {
  const wider = Buffer.from(code);
  const at = wider.indexOf(limits);
  if (at > 0) wider[at + 5] = wider[at + 7] = 0x40;
  return instantiate(wider, imports);
};
`;

export const extThread = `${memory}
const { mount, umount } = require(w.path);
const O = { WRONLY: 1, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000, APPEND: 0o2000, NOFOLLOW: 0o400000, NOATIME: 0o1000000 };
const disk = {
  async read(buffer, at, length, offset) { ask('read', buffer.subarray(at, at + length), offset); },
  async write(buffer, at, length, offset) { ask('write', buffer.subarray(at, at + length), offset); },
  async discard() {},
  async flush() {},
};
let fs;
async function withFile(path, flags, mode, work) {
  const { fd } = await fs.open(Buffer.from(path), flags | O.NOFOLLOW, mode);
  try { return await work(fd); } finally { await fs.close(fd); }
}
async function put(fd, bytes) {
  for (let at = 0; at < bytes.length; at += w.pieceBytes) {
    const part = Buffer.from(bytes.subarray(at, at + w.pieceBytes));
    const { bytesWritten } = await fs.write(fd, part, 0, part.length, -1);
    if (bytesWritten !== part.length) throw new Error(bytesWritten + ' of ' + part.length + ' bytes were written');
  }
}
const statOf = async (fd) => {
  const { mode, uid, gid, size } = await fs.fstat(fd);
  return { mode, uid, gid, size };
};
serve({
  async mount() { fs = (await mount(disk, 0)).promises; },
  async unmount() { await umount(fs); },
  async stat(path) {
    try {
      return await withFile(path, O.NOATIME, 0, statOf);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  },
  // CREAT also makes the library set the times.
  write: (path, content, mode) => withFile(path, O.WRONLY | O.CREAT | O.TRUNC, mode, (fd) => put(fd, content)),
  append: (path, content) => withFile(path, O.WRONLY | O.CREAT | O.APPEND, 0, (fd) => put(fd, content)),
  own: (path, mode, uid, gid) => withFile(path, O.WRONLY, 0, async (fd) => {
    await fs.fchmod(fd, mode);
    await fs.fchown(fd, uid, gid);
  }),
  copy: (from, to, mode, size) => withFile(from, O.NOATIME, 0, (source) =>
    withFile(to, O.WRONLY | O.CREAT | O.EXCL, mode, async (fd) => {
      const buffer = Buffer.alloc(w.pieceBytes);
      for (let left = size; left > 0; ) {
        const { bytesRead } = await fs.read(source, buffer, 0, Math.min(left, buffer.length), -1);
        if (bytesRead === 0) throw new Error('the file ends ' + left + ' bytes early');
        await put(fd, buffer.subarray(0, bytesRead));
        left -= bytesRead;
      }
    })),
  remove: (path) => fs.unlink(Buffer.from(path)),
  removeFolder: (path) => fs.rmdir(Buffer.from(path)),
  link: (path, target) => fs.symlink(Buffer.from(target), Buffer.from(path)),
  folder: (path, mode) => fs.mkdir(Buffer.from(path), mode),
});
`;
