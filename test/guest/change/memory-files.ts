/** A guest's files in memory: what change tests start from. */
import type { FileStat, Files } from '../../../src/guest/filesystems/files.ts';

/** A string or bytes: a file. `{ link }`: a link. Folders are made of the paths. */
export type MemoryTree = Readonly<Record<string, string | Buffer | { readonly link: string }>>;

/** Links are not followed on the way: give paths without. */
export function memoryFiles(tree: MemoryTree): Files {
  const folders = new Set(['/']);
  for (const path of Object.keys(tree)) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
      folders.add(path.slice(0, at));
  }
  const lstat = async (path: string): Promise<FileStat | undefined> => {
    const node = tree[path];
    const owner = { uid: 0, gid: 0 };
    if (typeof node === 'string' || Buffer.isBuffer(node))
      return { kind: 'file', size: Buffer.byteLength(node), mode: 0o644, ...owner };
    if (node !== undefined) return { kind: 'link', size: node.link.length, mode: 0o777, ...owner };
    return folders.has(path) ? { kind: 'folder', size: 4096, mode: 0o755, ...owner } : undefined;
  };
  const content = (path: string) => {
    const node = tree[path];
    return typeof node === 'string' || Buffer.isBuffer(node) ? Buffer.from(node) : undefined;
  };
  const list = async (path: string) => {
    const prefix = path === '/' ? '/' : `${path}/`;
    const all = [...Object.keys(tree), ...folders].filter((p) => p !== '/' && p.startsWith(prefix));
    return [...new Set(all.map((p) => p.slice(prefix.length).split('/')[0]!))].sort();
  };
  return {
    lstat,
    stat: lstat,
    async readlink(path) {
      const node = tree[path];
      return node === undefined || typeof node === 'string' || Buffer.isBuffer(node) ? undefined : node.link;
    },
    read: async (path, maxBytes) => content(path)?.subarray(0, maxBytes),
    async open(path) {
      const bytes = content(path);
      const stat = await lstat(path);
      if (bytes === undefined || stat === undefined) return undefined;
      return { stat, readAt: async (offset, length) => bytes.subarray(offset, offset + length) };
    },
    list,
    async entries(path) {
      const prefix = path === '/' ? '/' : `${path}/`;
      const names = await list(path);
      return Promise.all(names.map(async (name) => ({ name, kind: (await lstat(prefix + name))!.kind })));
    },
  };
}
