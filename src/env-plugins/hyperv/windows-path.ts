/** Windows paths, and how the SFTP server of Windows writes them. */
import { win32 } from 'node:path';
import { AppError } from '../../model/errors.ts';

/**
 * `C:\vms\a.vhdx` → `/C:/vms/a.vhdx`, as SFTP has it; `\\server\share\a.vhdx` → `//server/share/a.vhdx`.
 * @throws AppError `unsupported` for a device.
 */
export function filePath(path: string): string {
  const plain = path.replace(/^\\\\\?\\(?=[A-Za-z]:\\)/, '').replace(/^\\\\\?\\UNC\\/i, '\\\\');
  const isShare = /^\\\\[^\\/?.*][^\\/?*]*\\[^\\/]/.test(plain) && !plain.includes('\0');
  if (isShare) return win32.normalize(plain).replaceAll('\\', '/');
  if (!/^[A-Za-z]:[\\/]/.test(plain) || plain.includes('\0')) {
    throw new AppError('unsupported', 'only files on drives of that host and on shares are reached', {
      where: path,
      hint: 'a volume without a letter is not read: move the disk to a drive there',
    });
  }
  return `/${win32.normalize(plain).replaceAll('\\', '/')}`;
}

export const samePath = (a: string, b: string): boolean =>
  win32.normalize(a).toLowerCase() === win32.normalize(b).toLowerCase();

/** Why this can be no name of a file on Windows. */
export function impossibleName(name: string): string | undefined {
  if (name.trim() === '' || name.length > 100) return 'a name has 1 to 100 characters';
  if (/[<>:"/\\|?*\0-\x1f\x7f\ufffe\uffff]/.test(name))
    return 'Windows takes none of < > : " / \\ | ? * in names of files';
  if (/[[\]]/.test(name)) return 'PowerShell takes [ and ] for wildcards';
  if (/[. ]$|^ /.test(name))
    return 'Windows takes no name that ends with a dot or begins or ends with a space';
  if (/^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i.test(name)) return 'Windows keeps this name for a device';
  return undefined;
}
