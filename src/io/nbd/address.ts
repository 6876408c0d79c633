/** Where an NBD server listens, and its URI as qemu, libnbd and nbdkit take it (doc/uri.md of the NBD project). */
import { AppError } from '../../model/errors.ts';

export type NbdAddress =
  | { readonly path: string; readonly host?: undefined; readonly port?: undefined }
  | { readonly host: string; readonly port: number; readonly path?: undefined };

/** Room in a socket's address, bytes; Node cuts what is longer without a word. */
const longestPath = process.platform === 'linux' ? 107 : 103;

/** @throws AppError `usage`. */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) <= longestPath && path !== '' && !path.includes('\0')) return;
  throw new AppError('usage', `a socket's path has 1 to ${longestPath} bytes`, {
    where: path.replaceAll('\0', '?'),
    hint: 'name a shorter one',
  });
}

export const nbdPort = 10_809;

export function nbdUri(address: NbdAddress, name = '', tls = false): string {
  const scheme = tls ? 'nbds' : 'nbd';
  const exportName = encodeURIComponent(name);
  if (address.path !== undefined) {
    // qemu and libnbd take a path's slashes as they are.
    const socket = encodeURIComponent(address.path).replaceAll('%2F', '/');
    return `${scheme}+unix:///${exportName}?socket=${socket}`;
  }
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${scheme}://${host}:${address.port}/${exportName}`;
}
