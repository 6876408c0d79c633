import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';

/** An absolute path; a leading `~` is the user's own folder. */
export function expandHome(path: string): string {
  const expanded = path === '~' || path.startsWith('~/') ? homedir() + path.slice(1) : path;
  return isAbsolute(expanded) ? expanded : resolve(expanded);
}
