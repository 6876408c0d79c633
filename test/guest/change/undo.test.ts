import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Edit } from '../../../src/guest/change/edit.ts';
import { type Editor, PlannedTree } from '../../../src/guest/change/tree.ts';
import { planUndo, type Undo, undoOf } from '../../../src/guest/change/undo.ts';
import { readUndo, writeUndo } from '../../../src/state/stores/undo-store.ts';
import { tempFolder } from '../../temp.ts';
import { type MemoryTree, memoryFiles } from './memory-files.ts';

const before: MemoryTree = {
  '/etc/fstab': '/dev/sda1 / ext4\n',
  '/etc/shadow': 'root:*:\n',
  '/etc/rules': 'old\n',
  '/etc/mtab': { link: '../proc/mounts' },
  '/etc/rc2.d/S01tools': { link: '../init.d/tools' },
  '/etc/motd': 'welcome\n',
  '/boot/initrd': Buffer.alloc(100, 7),
  '/boot/large': Buffer.alloc(50, 7),
};

const what = (id: string) => ({ id, title: id, reason: 'a test', need: 'needed' as const });

async function planned(of: MemoryTree, changes: Record<string, (editor: Editor) => Promise<void>>) {
  const tree = new PlannedTree(memoryFiles(of));
  for (const [id, work] of Object.entries(changes)) await tree.change(what(id), work);
  return tree.changes;
}

/** What an engine makes of them. */
function applied(of: MemoryTree, edits: readonly Edit[]): MemoryTree {
  const tree: Record<string, MemoryTree[string]> = { ...of };
  for (const edit of edits) {
    if (edit.kind === 'write') tree[edit.path] = edit.content.toString();
    else if (edit.kind === 'remove') delete tree[edit.path];
    else if (edit.kind === 'link') tree[edit.path] = { link: edit.target };
    else if (edit.kind === 'copy') tree[edit.path] = tree[edit.from]!;
    else if (edit.kind === 'upload') tree[edit.path] = Buffer.alloc(edit.size, 8);
    else if (edit.kind === 'append')
      tree[edit.path] = Buffer.concat([tree[edit.path] as Buffer, edit.content]);
  }
  return tree;
}

const upload = (size: number) => ({
  ...{ from: 'here', size },
  async *chunks() {
    yield Buffer.alloc(size, 8);
  },
});

const changes = {
  'names.fstab': (e: Editor) => e.write('/etc/fstab', 'UUID=1 / ext4\n'),
  again: (e: Editor) => e.edit('/etc/fstab', (text) => `${text}# more\n`),
  'network.link': async (e: Editor) => {
    await e.write('/etc/systemd/10-a.link', '[Match]\n');
    await e.remove('/etc/rules');
    await e.link('/etc/mtab', '/run/mounts');
    await e.link('/etc/systemd/off.service', '/dev/null');
  },
  tools: (e: Editor) => e.remove('/etc/rc2.d/S01tools'),
  copies: async (e: Editor) => {
    await e.upload('/etc/motd', upload(12));
    await e.upload('/opt/new', upload(9 * 2 ** 20));
  },
  initramfs: async (e: Editor) => {
    await e.copy('/boot/initrd', '/boot/initrd.before-vmferry');
    await e.append('/boot/initrd', Buffer.alloc(20, 9));
  },
};

async function undone(after: MemoryTree, undo: readonly Undo[]) {
  const tree = new PlannedTree(memoryFiles(after));
  const findings = await planUndo(tree, 'r1', undo);
  const edits = tree.changes.flatMap((change) => change.edits);
  return { result: applied(after, edits), findings, ids: tree.changes.map(({ id }) => id) };
}

it('gives back what was there, through the files that keep it', async () => {
  const made = await planned(before, changes);
  const after = applied(
    before,
    made.flatMap(({ edits }) => edits),
  );
  const folder = join(await tempFolder(), 'r1.undo');
  await writeUndo(folder, undoOf(made));
  const { result, findings, ids } = await undone(after, (await readUndo(folder))!);
  expect(findings).toEqual([]);
  expect(ids).toEqual(['initramfs', 'copies', 'tools', 'network.link', 'again', 'names.fstab']);
  expect(result).toEqual(before);
});

it('leaves what was changed since, and says so', async () => {
  const made = await planned(before, changes);
  const after = applied(
    before,
    made.flatMap(({ edits }) => edits),
  );
  const since = { ...after, '/etc/fstab': 'mine\n', '/boot/initrd': Buffer.alloc(7) };
  const { result, findings } = await undone(since, undoOf(made));
  expect(result).toEqual({
    ...before,
    '/etc/fstab': 'mine\n',
    '/boot/initrd': Buffer.alloc(7),
    '/boot/initrd.before-vmferry': before['/boot/initrd'],
  });
  expect(findings.map(({ message }) => message)).toEqual([
    '/boot/initrd stays as it is: it was changed since',
    '/etc/fstab stays as it is: it was changed since',
  ]);
});

it('keeps nothing of a secret, and says what can not be taken back', async () => {
  const made = await planned(before, {
    password: (e) => e.write('/etc/shadow', 'root:HASH:\n', { secret: true }),
    grown: (e) => e.append('/boot/large', Buffer.alloc(3)),
    drivers: async (e) => e.registry({ hive: 'SYSTEM', key: 'Select', name: 'Current' }),
  });
  const undo = undoOf(made);
  expect(JSON.stringify(undo)).not.toMatch(/root|HASH/);
  const { findings, ids } = await undone(before, undo);
  expect(ids).toEqual([]);
  expect(findings.map(({ message }) => message)).toEqual([
    'HKLM\\SYSTEM\\Select stays as it is: the registry is not taken back',
    '/boot/large stays as it is: it was too large for a copy; its first 50 bytes are what it was',
    '/etc/shadow stays as it is: nothing is kept of files with passwords in them',
  ]);
});

it('refuses what it has not kept so', async () => {
  const folder = await tempFolder();
  expect(await readUndo(join(folder, 'none'))).toBeUndefined();
  const { writeFile } = await import('node:fs/promises');
  const steps = [{ kind: 'content', path: '/etc/x', file: '../../secret' }];
  await writeFile(
    join(folder, 'manifest.json'),
    JSON.stringify({ version: 1, changes: [{ id: 'a', title: 'a', steps }] }),
  );
  await expect(readUndo(folder)).rejects.toMatchObject({ kind: 'corrupt' });
});
