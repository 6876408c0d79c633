/**
 * The program of the process that speaks SMB, by Samba's libsmbclient: its calls block until the server answers, which
 * may be never, and its state is one for a whole process. It reads a request, does it, answers, and so on, until its
 * input ends. The login comes as a request: never through argv or the environment.
 *
 * A frame is two lengths of 32 bits, a header in JSON, and bytes. Answers go to descriptor 3: the library prints what it
 * has to say to standard output. Run by its text (`child-process.ts`), so that it is
 * found in a bundle as well: nothing of this file's surroundings is known in it.
 */
import type * as Fs from 'node:fs';

type Native = (...args: unknown[]) => number | bigint;

/** As much of koffi as is used. */
export interface Koffi {
  load(name: string): { func(prototype: string): Native };
  proto(prototype: string): unknown;
  pointer(type: unknown): unknown;
  register(callback: (...args: never[]) => void, type: unknown): unknown;
  struct(name: string, fields: Record<string, unknown>): unknown;
  array(type: string, length: number): unknown;
  encode(target: unknown, offset: number, type: unknown, value: unknown): void;
  decode(source: unknown, type: unknown): unknown;
  errno(): number;
}

export type Request = Readonly<Record<string, string | number>> & { readonly op: string };

export function smbProgram(koffi: Koffi, fs: typeof Fs, names: readonly string[]): void {
  const load = () => {
    for (const name of names) {
      try {
        return koffi.load(name);
      } catch {
        // the next name
      }
    }
    return undefined;
  };
  const library = load();
  const calls = new Map<string, Native>();
  /** By its C prototype. */
  const c = (prototype: string, ...args: unknown[]): number => {
    const known = calls.get(prototype) ?? library!.func(prototype);
    calls.set(prototype, known);
    return Number(known(...args));
  };
  const pointer = (prototype: string, ...args: unknown[]): unknown => {
    const known = calls.get(prototype) ?? library!.func(prototype);
    calls.set(prototype, known);
    return known(...args);
  };
  const failure = (result: number): { errno: number } | undefined =>
    result < 0 ? { errno: koffi.errno() } : undefined;

  const login = (request: Request) => {
    const put = (target: unknown, length: number, text: unknown) => {
      const bytes = Buffer.from(`${text}\0`);
      if (bytes.length <= length)
        koffi.encode(target, 0, koffi.array('uint8', bytes.length), Array.from(bytes));
    };
    const type = koffi.proto(
      'void SmbAuth(const char *s, const char *h, void *w, int wl, void *u, int ul, void *p, int pl)',
    );
    const answer = koffi.register(
      (_s: string, _h: string, w: unknown, wl: number, u: unknown, ul: number, p: unknown, pl: number) => {
        put(w, wl, request.domain);
        put(u, ul, request.user);
        put(p, pl, request.password);
      },
      koffi.pointer(type),
    );
    const context = pointer('void *smbc_new_context()');
    c('void smbc_setFunctionAuthData(void *c, SmbAuth *f)', context, answer);
    // Else a wrong password would be followed by a login without any.
    c('void smbc_setOptionNoAutoAnonymousLogin(void *c, int on)', context, 1);
    c('void smbc_setOptionUseKerberos(void *c, int on)', context, 0);
    c('void smbc_setTimeout(void *c, int ms)', context, request.timeoutMs);
    c('void smbc_setPort(void *c, uint16_t port)', context, request.port);
    if (pointer('void *smbc_init_context(void *c)', context) === null) return { errno: koffi.errno() };
    // SMBC_ENCRYPTLEVEL_REQUEST: encrypted where the server can do that. SMB 1 is not spoken.
    c('void smbc_setOptionSmbEncryptionLevel(void *c, int level)', context, 1);
    c('int smbc_setOptionProtocols(void *c, const char *a, const char *b)', context, 'SMB2_02', 'SMB3_11');
    pointer('void *smbc_set_context(void *c)', context);
    return {};
  };

  const time = library && koffi.struct('SmbTime', { seconds: 'int64', nanoseconds: 'int64' });
  const info =
    library &&
    koffi.struct('SmbInfo', {
      ...{ size: 'uint64', attributes: 'uint16', uid: 'uint32', gid: 'uint32' },
      ...{ born: time, modified: time, read: time, changed: time },
      ...{ name: 'const char *', shortName: 'const char *' },
    });

  /** `struct stat` of Linux with 64 bits: the same but for the place of the mode. */
  const stat = (request: Request) => {
    const bytes = Buffer.alloc(256);
    const failed = failure(c('int smbc_stat(const char *url, void *st)', request.url, bytes));
    if (failed !== undefined) return failed;
    const mode = bytes.readUInt32LE(process.arch === 'x64' ? 24 : 16) & 0o170000;
    const kind = mode === 0o040000 ? 'folder' : mode === 0o100000 ? 'file' : 'other';
    return { kind, size: Number(bytes.readBigInt64LE(48)), modifiedAt: Number(bytes.readBigInt64LE(88)) };
  };
  const list = (request: Request) => {
    const folder = c('int smbc_opendir(const char *url)', request.url);
    if (folder < 0) return { errno: koffi.errno() };
    const entries: unknown[] = [];
    for (let left = Number(request.most); left > 0; left--) {
      const found = pointer('void *smbc_readdirplus(unsigned int dh)', folder);
      if (found === null) break;
      const one = koffi.decode(found, info) as {
        name: string;
        size: number | bigint;
        attributes: number;
        modified: { seconds: number | bigint };
      };
      if (one.name === '.' || one.name === '..') continue;
      const kind = (one.attributes & 0x10) !== 0 ? 'folder' : 'file';
      entries.push({
        name: one.name,
        kind,
        size: Number(one.size),
        modifiedAt: Number(one.modified.seconds),
      });
    }
    c('int smbc_closedir(int dh)', folder);
    return { entries };
  };
  const open = (request: Request) => {
    // O_RDWR | O_CREAT | O_EXCL of Linux, where this runs; of what exists O_RDWR alone.
    const flags = request.create === 1 ? 0o302 : request.write === 1 ? 0o2 : 0;
    const file = c('int smbc_open(const char *url, int flags, uint32_t mode)', request.url, flags, 0o644);
    return failure(file) ?? { file };
  };
  const seek = (request: Request) =>
    failure(c('int64_t smbc_lseek(int fd, int64_t at, int whence)', request.file, request.offset, 0));
  let room = Buffer.alloc(0);
  const read = (request: Request): { header: object; bytes?: Buffer } => {
    const failed = seek(request);
    if (failed !== undefined) return { header: failed };
    const wanted = Number(request.length);
    if (room.length < wanted) room = Buffer.alloc(wanted);
    let done = 0;
    while (done < wanted) {
      const part = room.subarray(done, wanted);
      const count = c('int64_t smbc_read(int fd, void *b, size_t n)', request.file, part, part.length);
      if (count < 0) return { header: { errno: koffi.errno() } };
      if (count === 0) break;
      done += count;
    }
    return { header: {}, bytes: room.subarray(0, done) };
  };
  const write = (request: Request, bytes: Buffer) => {
    const failed = seek(request);
    if (failed !== undefined) return failed;
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done);
      const count = c('int64_t smbc_write(int fd, void *b, size_t n)', request.file, part, part.length);
      if (count < 0) return { errno: koffi.errno() };
      done += count;
    }
    return {};
  };
  const setTime = (request: Request) => {
    const times = Buffer.alloc(32);
    times.writeBigInt64LE(BigInt(request.seconds!), 0);
    times.writeBigInt64LE(BigInt(request.seconds!), 16);
    return failure(c('int smbc_utimes(const char *url, void *tv)', request.url, times));
  };
  const simple: Record<string, (request: Request) => object | undefined> = {
    /** The library alone. */
    find: () => undefined,
    login,
    stat,
    list,
    open,
    setTime,
    truncate: (r) => failure(c('int smbc_ftruncate(int fd, int64_t size)', r.file, r.size)),
    close: (r) => failure(c('int smbc_close(int fd)', r.file)),
    mkdir: (r) => failure(c('int smbc_mkdir(const char *url, uint32_t mode)', r.url, 0o755)),
    rmdir: (r) => failure(c('int smbc_rmdir(const char *url)', r.url)),
    unlink: (r) => failure(c('int smbc_unlink(const char *url)', r.url)),
    rename: (r) => failure(c('int smbc_rename(const char *a, const char *b)', r.url, r.to)),
  };
  const serve = (request: Request, bytes: Buffer): { header: object; bytes?: Buffer } => {
    if (library === undefined) return { header: { missing: 1 } };
    try {
      if (request.op === 'read') return read(request);
      if (request.op === 'write') return { header: write(request, bytes) };
      return { header: simple[request.op]!(request) ?? {} };
    } catch (error) {
      return { header: { broken: String(error) } };
    }
  };

  const receive = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const count = fs.readSync(0, bytes, done, length - done, null);
      if (count === 0) process.exit(0);
      done += count;
    }
    return bytes;
  };
  const send = (bytes: Buffer) => {
    for (let done = 0; done < bytes.length; ) done += fs.writeSync(3, bytes, done);
  };
  for (;;) {
    const lengths = receive(8);
    const request = JSON.parse(receive(lengths.readUInt32LE(0)).toString()) as Request;
    const answer = serve(request, receive(lengths.readUInt32LE(4)));
    const header = Buffer.from(JSON.stringify(answer.header));
    lengths.writeUInt32LE(header.length, 0);
    lengths.writeUInt32LE(answer.bytes?.length ?? 0, 4);
    send(Buffer.concat([lengths, header]));
    if (answer.bytes !== undefined) send(answer.bytes);
  }
}
