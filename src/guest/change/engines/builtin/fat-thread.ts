/** FAT12, FAT16 and FAT32 by the library js-fatfs (ChaN's FatFs in WebAssembly). */
export const fatThread = `
let ff, F, fp, info, number;
const done = (result) => {
  if (result !== F.FR_OK) throw Object.assign(new Error('FatFs error ' + result), { errno: result });
};
const diskio = {
  initialize: () => 0,
  status: () => 0,
  read(ff, drive, at, sector, count) {
    try {
      ask('read', ff.HEAPU8.subarray(at, at + count * w.sectorBytes), (sector >>> 0) * w.sectorBytes);
      return F.RES_OK;
    } catch { return F.RES_ERROR; }
  },
  write(ff, drive, at, sector, count) {
    try {
      ask('write', ff.HEAPU8.subarray(at, at + count * w.sectorBytes), (sector >>> 0) * w.sectorBytes);
      return F.RES_OK;
    } catch { return F.RES_ERROR; }
  },
  ioctl(ff, drive, command, at) {
    if (command === F.GET_SECTOR_COUNT) ff.setValue(at, w.sectors, 'i32');
    else if (command === F.GET_SECTOR_SIZE) ff.setValue(at, w.sectorBytes, 'i16');
    else if (command === F.GET_BLOCK_SIZE) ff.setValue(at, 1, 'i32');
    else if (command !== F.CTRL_SYNC) return F.RES_PARERR;
    return F.RES_OK;
  },
};
function withFile(file, path, flags, work) {
  done(ff.f_open(file, path, flags));
  let closed = false;
  try {
    const value = work(file);
    closed = true;
    done(ff.f_close(file));
    return value;
  } finally {
    if (!closed) ff.f_close(file);
  }
}
function put(file, bytes) {
  const buffer = ff.malloc(w.pieceBytes);
  try {
    for (let at = 0; at < bytes.length; at += w.pieceBytes) {
      const part = bytes.subarray(at, at + w.pieceBytes);
      ff.HEAPU8.set(part, buffer);
      done(ff.f_write(file, buffer, part.length, number));
      // Fewer: the volume is full.
      if ((ff.getValue(number, 'i32') >>> 0) !== part.length) done(w.full);
    }
  } finally { ff.free(buffer); }
}
serve({
  async mount() {
    F = await import(require('node:url').pathToFileURL(w.path).href);
    ff = await F.create({ diskio });
    const volume = ff.malloc(F.sizeof_FATFS);
    fp = [ff.malloc(F.sizeof_FIL), ff.malloc(F.sizeof_FIL)];
    info = ff.malloc(F.sizeof_FILINFO);
    number = ff.malloc(8);
    done(ff.f_mount(volume, '', 1));
    done(ff.f_getfree('', number, number + 4));
    return ff.getValue(number, 'i32') >>> 0;
  },
  unmount() { done(ff.f_unmount('')); },
  stat(path) {
    const result = ff.f_stat(path, info);
    if (result === F.FR_NO_FILE || result === F.FR_NO_PATH) return undefined;
    done(result);
    return { folder: (ff.FILINFO_fattrib(info) & F.AM_DIR) !== 0, size: ff.FILINFO_fsize(info) };
  },
  write: (path, content) => withFile(fp[0], path, F.FA_WRITE | F.FA_OPEN_ALWAYS, (file) => {
    done(ff.f_truncate(file));
    put(file, content);
  }),
  append: (path, content) => withFile(fp[0], path, F.FA_WRITE | F.FA_OPEN_APPEND, (file) => put(file, content)),
  copy: (from, to, size) => withFile(fp[0], from, F.FA_READ, (source) =>
    withFile(fp[1], to, F.FA_WRITE | F.FA_CREATE_NEW, (file) => {
      const buffer = ff.malloc(w.pieceBytes);
      try {
        for (let left = size; left > 0; ) {
          done(ff.f_read(source, buffer, Math.min(left, w.pieceBytes), number));
          const got = ff.getValue(number, 'i32') >>> 0;
          if (got === 0) throw new Error('the file ends ' + left + ' bytes early');
          put(file, Buffer.from(ff.HEAPU8.subarray(buffer, buffer + got)));
          left -= got;
        }
      } finally { ff.free(buffer); }
    })),
  remove(path) { done(ff.f_unlink(path)); },
  folder(path) { done(ff.f_mkdir(path)); },
});
`;
