/** SFTP as the server of Windows has it: `/C:/folder/file`, of which the drive C is a folder here. */
import { constants } from 'node:fs';
import { type FileHandle, open, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type SFTPWrapper } from 'ssh2';

const { STATUS_CODE: status, OPEN_MODE: mode } = ssh2.utils.sftp;

export function fakeSftp(sftp: SFTPWrapper, root: string): void {
  const handles = new Map<number, { file: FileHandle; path: string }>();
  let next = 1;
  const local = (path: string) => {
    const [, inner] = /^\/[Cc]:\/((?:(?!\.\.).)*)$/s.exec(path) ?? [];
    if (inner === undefined) throw Object.assign(new Error('no such path'), { code: 'ENOENT' });
    return join(root, inner);
  };
  const answer = (id: number, work: () => Promise<void>) =>
    void work().catch((error: NodeJS.ErrnoException) => {
      const code = error.code === 'ENOENT' ? status.NO_SUCH_FILE : status.FAILURE;
      sftp.status(id, code);
    });
  const handleOf = (handle: Buffer) => handles.get(handle.readUInt32BE(0))!;
  const attributes = async (path: string) => {
    const { mode, uid, gid, size, atimeMs, mtimeMs } = await stat(path);
    return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
  };
  const tell = (id: number, path: string) =>
    answer(id, async () => sftp.attrs(id, await attributes(local(path))));
  sftp.on('STAT', tell);
  sftp.on('LSTAT', tell);
  sftp.on('FSTAT', (id, handle) =>
    answer(id, async () => sftp.attrs(id, await attributes(handleOf(handle).path))),
  );
  sftp.on('OPEN', (id, name, flags) =>
    answer(id, async () => {
      const path = local(name);
      const isNew = (flags & mode.CREAT) !== 0;
      const how = isNew ? constants.O_RDWR | constants.O_CREAT | constants.O_EXCL : constants.O_RDONLY;
      const file = await open(path, how);
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(next);
      handles.set(next++, { file, path });
      sftp.handle(id, handle);
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await handleOf(handle).file.read(bytes, 0, length, offset);
      if (bytesRead === 0) sftp.status(id, status.EOF);
      else sftp.data(id, bytes.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) =>
    answer(id, async () => {
      await handleOf(handle).file.write(data, 0, data.length, offset);
      sftp.status(id, status.OK);
    }),
  );
  sftp.on('FSETSTAT', (id, handle, attrs) =>
    answer(id, async () => {
      if (attrs.size !== undefined) await truncate(handleOf(handle).path, attrs.size);
      sftp.status(id, status.OK);
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const opened = handleOf(handle);
      handles.delete(handle.readUInt32BE(0));
      await opened.file.close();
      sftp.status(id, status.OK);
    }),
  );
  sftp.on('REMOVE', (id, name) =>
    answer(id, async () => {
      await unlink(local(name));
      sftp.status(id, status.OK);
    }),
  );
  sftp.on('close', () => {
    for (const { file } of handles.values()) void file.close().catch(() => undefined);
  });
}
