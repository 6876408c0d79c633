/** Taking changes back: what is kept of each edit so that it can be undone later, and the changes that undo it. */
import { createHash } from 'node:crypto';
import type { Finding } from '../../model/finding.ts';
import type { Edit, Owner } from './edit.ts';
import type { Editor, PlannedChange, PlannedTree } from './tree.ts';

/** In the order in which they are to be done. `after`: SHA-256 of what the change left, absent: nothing. */
export type UndoStep =
  | ({
      readonly kind: 'content';
      readonly path: string;
      readonly content: Buffer;
      readonly after?: string;
      /** Where the change left a file that was not held: all that is known of it. */
      readonly size?: number;
    } & Owner)
  | { readonly kind: 'remove'; readonly path: string; readonly after?: string; readonly size?: number }
  /** `target`: where it led, absent: nothing was there. `after`: where it leads, absent: nothing is there. */
  | { readonly kind: 'link'; readonly path: string; readonly target?: string; readonly after?: string }
  /** One that was made, where nothing else was put into it. */
  | { readonly kind: 'folder'; readonly path: string }
  /** A file that was grown, from the copy that was made of it before. */
  | { readonly kind: 'restore'; readonly path: string; readonly from: string; readonly size: number }
  /** It can't be undone. */
  | { readonly kind: 'lost'; readonly path: string; readonly why: string };

/** A change with what takes it back. */
export interface Undo {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly UndoStep[];
}

/** The latest change first. */
export const undoOf = (changes: readonly PlannedChange[]): Undo[] =>
  changes.toReversed().map(({ id, title, edits, sectors = [] }) => ({
    id,
    title,
    steps: [
      ...sectors.map(() => lostSectors),
      ...edits.toReversed().flatMap((edit) => stepsFor(edit, edits)),
    ],
  }));

const lostSectors: UndoStep = {
  ...{ kind: 'lost', path: 'the start of the disk' },
  why: 'what is written outside of files is not taken back',
};

function stepsFor(edit: Edit, all: readonly Edit[]): UndoStep[] {
  const lost = (path: string, why: string): UndoStep[] => [{ kind: 'lost', path, why }];
  switch (edit.kind) {
    case 'write': {
      const { path, before } = edit;
      if (edit.secret) return lost(path, 'nothing is kept of files with passwords in them');
      const after = digest(edit.content);
      return before === undefined
        ? [{ kind: 'remove', path, after }]
        : [{ kind: 'content', path, content: before, after }];
    }
    case 'remove': {
      const { path, before, target } = edit;
      if (target !== undefined) return [{ kind: 'link', path, target }];
      if (before === undefined) return lost(path, 'what was removed was too large to be kept, or no file');
      return [{ kind: 'content', path, content: before, ...ownerOf(edit) }];
    }
    case 'append': {
      const { path, size } = edit;
      const copy = all.find((other) => other.kind === 'copy' && other.from === path);
      if (copy?.kind !== 'copy')
        return lost(path, `it was too large for a copy; its first ${size} bytes are what it was`);
      return [{ kind: 'restore', path, from: copy.path, size: size + edit.content.length }];
    }
    case 'copy':
      // What was made of a file that grows is gone with its use.
      return all.some((other) => other.kind === 'append' && other.path === edit.from)
        ? []
        : [{ kind: 'remove', path: edit.path }];
    case 'link': {
      const { path, before, target } = edit;
      return [{ kind: 'link', path, after: target, ...(before === undefined ? {} : { target: before }) }];
    }
    case 'upload': {
      const { path, size, replaced } = edit;
      if (replaced === undefined) return [{ kind: 'remove', path, size }];
      const { before } = replaced;
      if (before === undefined) return lost(path, 'what it took the place of was too large to be kept');
      return [{ kind: 'content', path, content: before, size }];
    }
    case 'folder':
      return [{ kind: 'folder', path: edit.path }];
    case 'remove-folder':
      return lost(edit.path, 'it was empty, and is not made again');
    case 'registry':
      return lost(`HKLM\\${edit.hive}\\${edit.key}`, 'the registry is not taken back');
  }
}

/** Plans it into the tree. What somebody has changed since is left as it is, and said. */
export async function planUndo(tree: PlannedTree, run: string, undo: readonly Undo[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const left = new Set<string>();
  for (const { id, title, steps } of undo) {
    const reason = `it was made by the conversion ${run}`;
    await tree.change({ id, title: `taken back: ${title}`, reason, need: 'asked' }, async (editor) => {
      for (const step of steps) {
        if (left.has(step.path)) continue;
        const why = step.kind === 'lost' ? step.why : await takeBack(editor, step);
        if (why === undefined) continue;
        left.add(step.path);
        findings.push(notTakenBack(step.path, id, why));
      }
    });
  }
  return findings;
}

/** Why it can't be done; undefined when it is planned. */
async function takeBack(
  editor: Editor,
  step: Exclude<UndoStep, { kind: 'lost' }>,
): Promise<string | undefined> {
  const { path } = step;
  const stat = await editor.lstat(path);
  const since = 'it was changed since';
  switch (step.kind) {
    case 'content': {
      const { content, after, size } = step;
      const isOurs =
        size === undefined
          ? (await digestAt(editor, path)) === after
          : stat?.kind === 'file' && stat.size === size;
      if (!isOurs) return since;
      // What is too large to be held is not written over as if it were.
      if (size !== undefined) await editor.remove(path);
      return void (await editor.write(path, content, ownerOf(step)));
    }
    case 'remove':
      if (stat === undefined) return undefined;
      if (step.size !== undefined && (stat.kind !== 'file' || stat.size !== step.size)) return since;
      if (step.after !== undefined && (await digestAt(editor, path)) !== step.after) return since;
      return void (await editor.remove(path));
    case 'link':
      if ((step.after === undefined && stat !== undefined) || (await editor.readlink(path)) !== step.after)
        return since;
      return void (await (step.target === undefined ? editor.remove(path) : editor.link(path, step.target)));
    case 'folder':
      return void (await editor.removeFolder(path));
    case 'restore':
      if (stat?.kind !== 'file' || stat.size !== step.size) return since;
      if ((await editor.lstat(step.from))?.kind !== 'file')
        return 'the copy that was made of it is not there any more';
      await editor.remove(path);
      await editor.copy(step.from, path);
      return void (await editor.remove(step.from));
  }
}

async function digestAt(editor: Editor, path: string): Promise<string | undefined> {
  if ((await editor.lstat(path))?.kind !== 'file') return undefined;
  const bytes = await editor.bytes(path);
  return bytes === undefined ? undefined : digest(bytes);
}

const ownerOf = ({ mode, uid, gid }: Owner): Owner => ({
  ...(mode === undefined ? {} : { mode }),
  ...(uid === undefined ? {} : { uid }),
  ...(gid === undefined ? {} : { gid }),
});

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const notTakenBack = (path: string, id: string, why: string): Finding => ({
  rule: 'guest.not-taken-back',
  severity: 'warning',
  message: `${path} stays as it is: ${why}`,
  evidence: id,
});
