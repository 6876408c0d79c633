/** Paths of files on shares, `//server/share/folder/file`, as libsmbclient is told of them. */
import { AppError } from '../../model/errors.ts';

const serverName = /^[a-z0-9._-]+$|^\[?[0-9a-f:.]+\]?$/i;

/** @throws AppError `unsupported` for what is no such path. */
export function smbUrl(path: string): string {
  const [, server, ...rest] = /^\/\/([^/]+)\/([^/]+)(?:\/(.*))?$/s.exec(path) ?? [];
  const names = rest.filter((part) => part !== undefined && part !== '').flatMap((part) => part.split('/'));
  const usable = names.filter((name) => name !== '');
  if (server === undefined || !serverName.test(server) || usable.some((name) => impossible(name))) {
    throw new AppError('unsupported', 'no path of a file on a share', {
      where: path.replaceAll('\0', '\ufffd'),
      hint: 'it is written as //server/share/folder/file',
    });
  }
  const host = server.includes(':') && !server.startsWith('[') ? `[${server}]` : server;
  return `smb://${host}/${usable.map(encodeURIComponent).join('/')}`;
}

const impossible = (name: string): boolean =>
  name === '.' || name === '..' || /[\0-\x1f\\]|\p{Surrogate}/u.test(name);

export const serverOf = (path: string): string => /^\/\/([^/]+)\//.exec(path)?.[1] ?? '';
