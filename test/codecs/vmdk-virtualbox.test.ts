/** VMDKs as VirtualBox writes them: known by UUIDs in the descriptor, snapshots without a name or content id of their parent. */
import { describe, expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { contextOf, encoded, type Files, openFiles } from './vmdk-images.ts';

const grain = 65_536;
const content = (...grains: number[]) => Buffer.concat(grains.map((n) => Buffer.alloc(grain, n)));
const none = '00000000-0000-0000-0000-000000000000';
const uuid = (n: number) => (n === 0 ? none : `${n}0000000-0000-4000-8000-000000000000`);

/** A sparse VMDK with these UUIDs in its descriptor. */
async function image(
  name: string,
  bytes: Buffer,
  ids: { image: number; state: number; parent?: number; parentState?: number },
): Promise<Files> {
  const files = await encoded(bytes, { uuids: true }, name);
  const file = files.get(name)!;
  const text = file.toString('latin1', 512, 512 + 2000);
  const set = (key: string, n: number) => {
    const found = new RegExp(`^ddb\\.uuid\\.${key}="`, 'm').exec(text)!;
    file.write(uuid(n), 512 + found.index + found[0].length);
  };
  set('image', ids.image);
  set('modification', ids.state);
  set('parent', ids.parent ?? 0);
  set('parentmodification', ids.parentState ?? 0);
  return files;
}

function open(files: Files, name: string) {
  const { context } = contextOf(files);
  const all: OpenContext = {
    ...context,
    neighbours: async () => [...files.keys()],
    parent: async (parent) => vmdkCodec.open(memorySource(files.get(parent)!, parent), all),
  };
  return vmdkCodec.open(memorySource(files.get(name)!, name), all);
}

describe('VMDKs of VirtualBox', () => {
  it('the encoder notes the UUIDs only where that is asked for', async () => {
    const text = (await encoded(content(1), { uuids: true, subformat: 'monolithicFlat' }))
      .get('a.vmdk')!
      .toString();
    expect(text).toMatch(/^ddb\.uuid\.image="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$/m);
    expect(text).toContain(`ddb.uuid.parent="${none}"`);
    const plain = (await encoded(content(1), { subformat: 'monolithicFlat' })).get('a.vmdk')!.toString();
    expect(plain).not.toContain('uuid');
  });

  it('a snapshot is read over the parent that has the UUID, whatever its name', async () => {
    const files: Files = new Map([
      ...(await image('{b}.vmdk', content(0, 5, 0), { image: 2, state: 9, parent: 1, parentState: 8 })),
      ...(await image('old.vmdk', content(7, 7, 7), { image: 1, state: 4 })),
      ['notes.vmdk', Buffer.from('no image')],
      ...(await image('base.vmdk', content(1, 2, 3), { image: 1, state: 8 })),
    ]);
    const disk = await open(files, '{b}.vmdk');
    const bytes = Buffer.alloc(3 * grain);
    await disk.read(bytes, 0);
    expect(bytes.equals(content(1, 5, 3))).toBe(true);
    await disk.close();
    files.delete('base.vmdk');
    await expect(open(files, '{b}.vmdk')).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('old.vmdk'),
    });
    files.delete('old.vmdk');
    await expect(open(files, '{b}.vmdk')).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('is never taken for a whole disk where nobody can look for its parent', async () => {
    const files = await image('b.vmdk', content(0, 5), { image: 2, state: 9, parent: 1 });
    await expect(openFiles(files)).rejects.toMatchObject({ kind: 'not-found' });
  });
});
