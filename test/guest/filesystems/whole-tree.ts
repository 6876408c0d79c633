/** A folder that has a bit of everything, and two views of a tree that must be equal: the kernel's and ours. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { VolumeFiles } from '../../../src/guest/filesystems/files.ts';
import { nameBytes, nameOf } from '../../../src/guest/filesystems/names.ts';
import type { Looking } from '../../../src/guest/looking.ts';
import { cached } from '../../../src/io/cached.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { fileSource } from '../../../src/io/file-source.ts';

export const patterned = (length: number, step = 31): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * step + (i >> 8)) & 0xff));

/** Sizes around every limit of an inode, a folder of many names, holes, links, names of bytes. */
export async function fillSample(root: string, names = 700): Promise<void> {
  await mkdir(join(root, 'etc/deep/er/empty-folder'), { recursive: true });
  await mkdir(join(root, 'many'));
  await mkdir(join(root, 'few'));
  for (const size of [0, 1, 59, 60, 61, 150, 400, 1023, 4096, 4097, 70_000, 300_001, 1_500_000])
    await writeFile(join(root, 'etc', `of-${size}`), patterned(size));
  for (let i = 0; i < 5; i++) await writeFile(join(root, 'few', `n${i}`), `${i}`);
  await symlink('../of-61', join(root, 'etc/deep/up'));
  for (const length of [1, 59, 60, 61, 200, 400, 800, 1000])
    await symlink(
      './'
        .repeat(length)
        .slice(0, length - 1)
        .concat('s'),
      join(root, `link${length}`),
    );
  for (let i = 0; i < names; i++)
    await writeFile(join(root, 'many', `number-${i}-${'z'.repeat(i % 150)}`), String(i));
  await writeFile(join(root, 'Ümläut ☃ 𝄞'), 'text');
  const hole = await open(join(root, 'hole'), 'w');
  await hole.write('first', 0);
  await hole.write('middle', 3_000_000);
  await hole.close();
  await truncate(join(root, 'hole'), 5_000_000);
}

/** A file in many pieces: every second block of another is freed, then filled. */
export async function fragment(root: string, blockBytes: number, pieces: number): Promise<void> {
  const handle = await open(join(root, 'pieces'), 'w');
  for (let i = 0; i < pieces; i++)
    await handle.write(patterned(blockBytes, 3 + (i % 200)), 0, blockBytes, i * 2 * blockBytes);
  await handle.close();
}

export interface Seen {
  readonly kind: string;
  readonly size?: number;
  readonly content?: string;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly modifiedAt?: number | undefined;
}
export type Tree = Record<string, Seen>;

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What the system sees; with `owners` modes, owners and times as well. */
export async function treeOf(root: string, owners = true): Promise<Tree> {
  const tree: Tree = {};
  const visit = async (folder: Buffer, path: string): Promise<void> => {
    for (const bytes of await readdir(folder, { encoding: 'buffer' })) {
      const full = Buffer.concat([folder, Buffer.from('/'), bytes]);
      const below = `${path}/${nameOf(bytes)}`;
      const stat = await lstat(full);
      const common = owners
        ? { mode: stat.mode & 0o7777, uid: stat.uid, modifiedAt: Math.floor(stat.mtimeMs / 1000) }
        : {};
      if (stat.isDirectory()) {
        tree[below] = { kind: 'folder', ...common };
        await visit(full, below);
      } else if (stat.isSymbolicLink()) {
        tree[below] = {
          kind: 'link',
          content: nameOf(await readlink(full, { encoding: 'buffer' })),
          ...common,
        };
      } else if (stat.isFile()) {
        tree[below] = { kind: 'file', size: stat.size, content: digest(await readFile(full)), ...common };
      } else tree[below] = { kind: 'other', ...common };
    }
  };
  await visit(Buffer.from(root), '');
  return tree;
}

/** The same through our reader, files read in odd pieces. */
export async function treeIn(files: VolumeFiles, owners = true, top = ''): Promise<Tree> {
  const tree: Tree = {};
  const visit = async (path: string): Promise<void> => {
    for (const { name, kind } of await files.entries(path === '' ? '/' : path)) {
      const below = `${path}/${name}`;
      const stat = await files.lstat(below);
      if (stat === undefined) throw new Error(`${below} is listed and not there`);
      if (kind !== undefined && kind !== stat.kind)
        throw new Error(`${below}: ${kind} listed, ${stat.kind} found`);
      if (nameOf(nameBytes(name)) !== name) throw new Error(`${below} does not keep its name`);
      const common = owners ? { mode: stat.mode, uid: stat.uid, modifiedAt: stat.modifiedAt } : {};
      const at = below.slice(top.length);
      if (stat.kind === 'folder') {
        tree[at] = { kind: 'folder', ...common };
        await visit(below);
      } else if (stat.kind === 'link') {
        tree[at] = { kind: 'link', content: (await files.readlink(below))!, ...common };
      } else if (stat.kind === 'file') {
        tree[at] = { kind: 'file', size: stat.size, content: await contentOf(files, below), ...common };
      } else tree[at] = { kind: 'other', ...common };
    }
  };
  await visit(top);
  return tree;
}

async function contentOf(files: VolumeFiles, path: string): Promise<string> {
  const file = (await files.open(path))!;
  const hash = createHash('sha256');
  for (let at = 0; at < file.stat.size; at += 999_983) hash.update(await file.readAt(at, 999_983));
  return hash.digest('hex');
}

export async function emptyImage(folder: string, mebibytes: number): Promise<string> {
  const image = join(folder, 'image');
  await writeFile(image, '');
  await truncate(image, mebibytes * 2 ** 20);
  return image;
}

/** The image as a volume; closed when the test ends. */
export async function lookingInto(image: string): Promise<Looking> {
  const disk = cached(sourceDisk(await fileSource(image)));
  onTestFinished(() => disk.close());
  return { disk, signal: undefined, findings: [] };
}

/** Whether this user can mount an image; in a container often not even root can. */
export const canMount = ((): boolean => {
  try {
    execFileSync('sh', ['-c', '[ "$(id -u)" = 0 ] && losetup -f && [ -e /dev/loop-control ]'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
})();

/** What `step` gives while the image is mounted. */
export async function mounted<T>(
  image: string,
  folder: string,
  step: (root: string) => Promise<T>,
  program: readonly string[] = ['mount', '-o', 'loop'],
): Promise<T> {
  const place = join(folder, 'mounted');
  await mkdir(place, { recursive: true });
  execFileSync(program[0]!, [...program.slice(1), image, place], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    return await step(place);
  } finally {
    execFileSync('umount', [place]);
  }
}
