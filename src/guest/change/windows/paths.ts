/** Paths of a Windows: case does not count, and the names that are there are taken as they are written. */
import type { Editor } from '../tree.ts';

/** The path with the names as they are on the disk; those that are not there as they are given. */
export async function realPath(view: Pick<Editor, 'list'>, path: string): Promise<string> {
  let at = '';
  for (const name of path.split('/').filter((part) => part !== '')) {
    const names = await view.list(at === '' ? '/' : at);
    at += `/${names.find((other) => other.toLowerCase() === name.toLowerCase()) ?? name}`;
  }
  return at;
}
