/** The walk along a path, through links. */
import { AppError } from '../../model/errors.ts';
import type { FileKind } from './files.ts';

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
 * The node at `path` below the root; links are followed, the last one only when `followLast`; `..` of the root is
 * the root.
 * @throws AppError `corrupt` when links go in circles.
 */
export async function walk<N>(nodes: Nodes<N>, path: string, followLast = true): Promise<N | undefined> {
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
    if (nodes.kind(node) !== 'link' || (!followLast && ahead.length === 0)) {
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
