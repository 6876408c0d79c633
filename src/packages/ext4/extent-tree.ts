/** Which blocks of a file lie where: up to four extents in the inode, more in blocks below it. */
import type { Blocks } from './blocks.ts';
import { blockBytes, extentsPerBlock, inlineExtents } from './layout.ts';

export interface FileExtent {
  /** In the file. */
  readonly logical: number;
  readonly start: number;
  readonly count: number;
}

/** Of one extent that is written. */
const longestExtent = 32_768;

/** Ascending; neighbours become one. */
export function addExtent(list: FileExtent[], logical: number, start: number, count: number): void {
  let done = 0;
  const last = list.at(-1);
  if (last !== undefined && last.logical + last.count === logical && last.start + last.count === start) {
    done = Math.min(count, longestExtent - last.count);
    list[list.length - 1] = { ...last, count: last.count + done };
  }
  while (done < count) {
    const part = Math.min(count - done, longestExtent);
    list.push({ logical: logical + done, start: start + done, count: part });
    done += part;
  }
}

interface Node {
  readonly logical: number;
  readonly bytes: Buffer;
}

/** The 60 bytes of the inode, and how many blocks the tree takes. */
export async function extentTree(
  blocks: Blocks,
  extents: readonly FileExtent[],
): Promise<{ root: Buffer; treeBlocks: number }> {
  let level: Node[] = extents.map(({ logical, start, count }) => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32LE(logical, 0);
    bytes.writeUInt16LE(count, 4);
    bytes.writeUInt32LE(start, 8);
    return { logical, bytes };
  });
  let depth = 0;
  let treeBlocks = 0;
  while (level.length > inlineExtents) {
    const above: Node[] = [];
    for (let at = 0; at < level.length; at += extentsPerBlock) {
      const part = level.slice(at, at + extentsPerBlock);
      const { start } = blocks.take(1);
      await blocks.write(start, nodeBytes(part, depth, blockBytes, extentsPerBlock));
      treeBlocks++;
      const bytes = Buffer.alloc(12);
      bytes.writeUInt32LE(part[0]!.logical, 0);
      bytes.writeUInt32LE(start, 4);
      above.push({ logical: part[0]!.logical, bytes });
    }
    level = above;
    depth++;
  }
  return { root: nodeBytes(level, depth, 60, inlineExtents), treeBlocks };
}

function nodeBytes(entries: readonly Node[], depth: number, size: number, most: number): Buffer {
  const node = Buffer.alloc(size);
  node.writeUInt16LE(0xf30a, 0);
  node.writeUInt16LE(entries.length, 2);
  node.writeUInt16LE(most, 4);
  node.writeUInt16LE(depth, 6);
  for (const [i, { bytes }] of entries.entries()) bytes.copy(node, 12 + i * 12);
  return node;
}
