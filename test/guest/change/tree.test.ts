import { describe, expect, it } from 'vitest';
import { describeChange } from '../../../src/guest/change/describe.ts';
import { PlannedTree } from '../../../src/guest/change/tree.ts';
import { memoryFiles } from './memory-files.ts';

const what = (id: string) => ({ id, title: id, reason: 'a test', need: 'needed' as const });

const tree = () =>
  new PlannedTree(
    memoryFiles({
      '/etc/fstab': '/dev/sda1 / ext4 defaults 0 1\n',
      '/etc/latin': Buffer.from('caf\xe9 sda1\n', 'latin1'),
      '/etc/resolv.conf': { link: '../run/resolv.conf' },
      '/run/resolv.conf': 'nameserver 192.0.2.1\n',
      '/boot/initrd.img-1': Buffer.alloc(9 * 2 ** 20, 7),
      '/loop': { link: 'loop' },
    }),
  );

describe('a planned tree', () => {
  it('lets each change see what the ones before it leave behind', async () => {
    const planned = tree();
    await planned.change(what('a'), (e) => e.edit('/etc/fstab', (t) => t.replace('/dev/sda1', 'UUID=1')));
    await planned.change(what('b'), async (e) => {
      expect(await e.text('/etc/fstab')).toBe('UUID=1 / ext4 defaults 0 1\n');
      await e.edit('/etc/fstab', (t) => `${t}# more\n`);
    });
    expect(planned.changes.map((c) => c.id)).toEqual(['a', 'b']);
    expect(describeChange(planned.changes[0]!).files).toEqual([
      {
        path: '/etc/fstab',
        kind: 'changed',
        bytes: 27,
        diff: '--- a/etc/fstab\n+++ b/etc/fstab\n@@ -1,1 +1,1 @@\n-/dev/sda1 / ext4 defaults 0 1\n+UUID=1 / ext4 defaults 0 1\n',
      },
    ]);
  });

  it('makes no change of what edits nothing', async () => {
    const planned = tree();
    await planned.change(what('a'), async (e) => {
      await e.edit('/etc/fstab', (t) => t);
      await e.edit('/etc/none', () => 'x');
      await e.remove('/etc/none');
    });
    expect(planned.changes).toEqual([]);
  });

  it('names the change that can not be worked out; without it the others are', async () => {
    const loops = (planned: PlannedTree) => planned.change(what('loop.one'), (e) => e.write('/loop/x', 'y'));
    await expect(loops(tree())).rejects.toMatchObject({
      kind: 'corrupt',
      hint: expect.stringContaining('--without-change loop.one'),
    });
    const planned = new PlannedTree(memoryFiles({ '/loop': { link: 'loop' }, '/a': '1' }), ['loop']);
    await loops(planned);
    await planned.change(what('a'), (e) => e.write('/a', '2'));
    expect(planned.changes.map(({ id }) => id)).toEqual(['a']);
    expect(planned.leftOut.map(({ id }) => id)).toEqual(['loop.one']);
  });

  it('leaves a change out as if it had never been', async () => {
    const planned = new PlannedTree(memoryFiles({ '/a': '1', '/b': '1' }), ['names', 'x.two']);
    for (const id of ['names.a', 'x.one', 'x.two'])
      await planned.change(what(id), (e) => e.edit('/a', (t) => `${t}${id} `));
    expect(await planned.view.text('/a')).toBe('1x.one ');
    expect(planned.changes.map((c) => c.id)).toEqual(['x.one']);
    expect(planned.leftOut.map((c) => c.id)).toEqual(['names.a', 'x.two']);
  });

  it('goes by where links really lead, and makes the folders on the way', async () => {
    const planned = tree();
    await planned.change(what('a'), async (e) => {
      await e.write('/etc/resolv.conf', 'new\n');
      await e.write('/etc/systemd/network/10-eth0.link', 'x\n', { mode: 0o600 });
    });
    expect(planned.changes[0]!.edits.map((e) => [e.kind, 'path' in e && e.path])).toEqual([
      ['write', '/run/resolv.conf'],
      ['folder', '/etc/systemd'],
      ['folder', '/etc/systemd/network'],
      ['write', '/etc/systemd/network/10-eth0.link'],
    ]);
    expect(await planned.view.list('/etc/systemd/network')).toEqual(['10-eth0.link']);
    await expect(planned.view.text('/loop')).rejects.toMatchObject({ kind: 'corrupt' });
    expect(await planned.view.real('/etc/../../etc/./fstab')).toBe('/etc/fstab');
  });

  it('keeps each byte of text in another encoding', async () => {
    const planned = tree();
    await planned.change(what('a'), (e) => e.edit('/etc/latin', (t) => t.replace('sda1', 'vda1')));
    expect(planned.changes[0]!.edits[0]).toMatchObject({ content: Buffer.from('caf\xe9 vda1\n', 'latin1') });
  });

  it('appends to and copies what is too large to be edited', async () => {
    const planned = tree();
    await planned.change(what('a'), async (e) => {
      await e.copy('/boot/initrd.img-1', '/boot/initrd.img-1.before');
      await e.append('/boot/initrd.img-1', Buffer.from('more'));
      expect(await e.stat('/boot/initrd.img-1')).toMatchObject({ size: 9 * 2 ** 20 + 4 });
      await expect(e.text('/boot/initrd.img-1')).rejects.toMatchObject({ kind: 'unsupported' });
    });
    expect(planned.changes[0]!.edits.map((e) => e.kind)).toEqual(['copy', 'append']);
  });
});
