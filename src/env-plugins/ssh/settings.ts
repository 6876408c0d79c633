/** What the plugin's own fields mean: the folders there. */
import { posix } from 'node:path';
import type { Settings } from '../plugin.ts';

const usualFolder = '/var/lib/libvirt/images';

export function foldersOf(settings: Settings): string[] {
  const given = (settings.folders ?? '').split(':').filter((folder) => folder !== '');
  return given.length > 0 ? [...new Set(given)] : [usualFolder];
}

/** An absolute path there; a leading `~` and a relative path start at the user's own folder. */
export function remotePath(path: string, home: string): string {
  return posix.resolve(home, path === '~' || path.startsWith('~/') ? `.${path.slice(1)}` : path);
}
