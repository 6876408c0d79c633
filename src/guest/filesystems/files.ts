/** Files inside a volume, read by path. What every filesystem reader offers, and the walk along a path. */
import { AppError } from '../../model/errors.ts';

export type FileKind = 'file' | 'folder' | 'link' | 'other';

export interface FileStat {
  readonly kind: FileKind;
  readonly size: number;
}

export interface Files {
  /** Links are followed, inside this volume only. Undefined when there is nothing at this path. */
  stat(path: string): Promise<FileStat | undefined>;
  /** The file's first `maxBytes` bytes; undefined when there is no file at this path. */
  read(path: string, maxBytes: number): Promise<Buffer | undefined>;
  /** Names in a folder without `.` and `..`; empty when there is no folder at this path. */
  list(path: string): Promise<string[]>;
}

/** How one filesystem finds its way; `N` is whatever it calls a node. */
export interface Nodes<N> {
  readonly root: N;
  kind(node: N): FileKind;
  child(folder: N, name: string): Promise<N | undefined>;
  target(link: N): Promise<string>;
}

/** As the Linux kernel counts them. */
const maxLinks = 40;
/** Folders entered for one path, links included: a link to a long path to a link must come to an end. */
const maxSteps = 1000;

/**
 * The node at `path` below the root; links are followed, `..` of the root is the root.
 * @throws AppError `corrupt` when links go in circles.
 */
export async function walk<N>(nodes: Nodes<N>, path: string): Promise<N | undefined> {
  const trail: N[] = [nodes.root];
  let ahead = path.split('/').reverse();
  let links = 0;
  for (let steps = 0; ahead.length > 0; steps++) {
    if (steps > maxSteps)
      throw new AppError('corrupt', `the path ${path} goes through more than ${maxSteps} folders`);
    const name = ahead.pop()!;
    const here = trail.at(-1)!;
    if (name === '' || name === '.') continue;
    if (nodes.kind(here) !== 'folder') return undefined;
    if (name === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const node = await nodes.child(here, name);
    if (node === undefined) return undefined;
    if (nodes.kind(node) !== 'link') {
      trail.push(node);
      continue;
    }
    if (++links > maxLinks)
      throw new AppError('corrupt', `more than ${maxLinks} links on the way to ${path}`);
    const target = await nodes.target(node);
    if (target.startsWith('/')) trail.length = 1;
    ahead = [...ahead, ...target.split('/').reverse()];
  }
  return trail.at(-1);
}

/** Counts work down, so that a hostile volume with endless folders comes to an end. */
export class Budget {
  readonly #total: number;
  readonly #what: string;
  #left: number;

  constructor(total: number, what: string) {
    this.#total = total;
    this.#what = what;
    this.#left = total;
  }

  /** @throws AppError `corrupt` when it is used up. */
  spend(amount = 1): void {
    this.#left -= amount;
    if (this.#left < 0) throw new AppError('corrupt', `gave up after ${this.#total} ${this.#what}`);
  }
}
