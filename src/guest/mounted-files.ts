/** Several volumes as the running guest sees them: one tree, links followed from one volume into another. */
import type { FileKind, FileStat, Files } from './filesystems/files.ts';
import { walk } from './filesystems/walk.ts';

export interface Mount {
  /** Absolute, without a slash at its end: `/`, `/boot/efi`. */
  readonly mountPoint: string;
  readonly files: Files;
  /** The folder of the volume that is mounted, such as a subvolume: `/@`. */
  readonly folder?: string;
}

/** Where a path of the guest lies. */
export interface Place<M extends Mount = Mount> {
  readonly mount: M;
  /** Inside the volume, absolute. */
  readonly path: string;
}

export interface MountedFiles<M extends Mount = Mount> extends Files {
  readonly mounts: readonly M[];
  /** Of a path without links on the way; it need not be there. */
  place(path: string): Place<M>;
}

interface Node {
  readonly path: string;
  readonly kind: FileKind;
}

const join = (folder: string, name: string) => (folder === '/' ? `/${name}` : `${folder}/${name}`);
const isBelow = (path: string, folder: string) =>
  folder === '/' || path === folder || path.startsWith(`${folder}/`);

/** One of `mounts` must be `/`. */
export function mountedFiles<M extends Mount>(mounts: readonly M[]): MountedFiles<M> {
  const deepestFirst = mounts.toSorted((a, b) => b.mountPoint.length - a.mountPoint.length);
  const points = new Set(mounts.map((m) => m.mountPoint));

  function place(path: string): Place<M> {
    const mount = deepestFirst.find((m) => isBelow(path, m.mountPoint))!;
    const inside = mount.mountPoint === '/' ? path : path.slice(mount.mountPoint.length) || '/';
    const folder = mount.folder ?? '/';
    return { mount, path: folder === '/' ? inside : `${folder}${inside === '/' ? '' : inside}` };
  }

  const nodes = {
    root: { path: '/', kind: 'folder' } as Node,
    kind: ({ kind }: Node) => kind,
    async child({ path: folder }: Node, name: string): Promise<Node | undefined> {
      const path = join(folder, name);
      if (points.has(path)) return { path, kind: 'folder' };
      const { mount, path: inside } = place(path);
      const stat = await mount.files.lstat(inside);
      return stat && { path, kind: stat.kind };
    },
    async target({ path: link }: Node): Promise<string> {
      const { mount, path } = place(link);
      return (await mount.files.readlink(path)) ?? '';
    },
  };

  /** Asks the volume that a path leads to. */
  async function ask<T>(path: string, followLast: boolean, of: (files: Files, inside: string) => Promise<T>) {
    const node = await walk(nodes, path, followLast);
    if (node === undefined) return undefined;
    const { mount, path: inside } = place(node.path);
    return of(mount.files, inside);
  }

  return {
    mounts,
    place,
    stat: (path) => ask<FileStat | undefined>(path, true, (files, inside) => files.lstat(inside)),
    lstat: (path) => ask<FileStat | undefined>(path, false, (files, inside) => files.lstat(inside)),
    readlink: (path) => ask(path, false, (files, inside) => files.readlink(inside)),
    read: (path, maxBytes) => ask(path, true, (files, inside) => files.read(inside, maxBytes)),
    open: (path) => ask(path, true, (files, inside) => files.open(inside)),
    list: async (path) => (await ask(path, true, (files, inside) => files.list(inside))) ?? [],
    entries: async (path) => (await ask(path, true, (files, inside) => files.entries(inside))) ?? [],
  };
}
