import { describe, expect, it } from 'vitest';
import type { ByteSink } from '../../../src/io/byte-source.ts';
import { type TarEntry, tarEntries } from '../../../src/packages/ext4/tar-stream.ts';
import { writeExt4 } from '../../../src/packages/ext4/writer.ts';
import { type Member, tarOf } from './tars.ts';

/** In pieces of an odd size, as a connection gives them. */
async function* chunks(bytes: Buffer, size = 777) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer): Promise<(TarEntry & { data: Buffer })[]> {
  const found: (TarEntry & { data: Buffer })[] = [];
  for await (const entry of tarEntries(chunks(bytes), 'test')) {
    const data = Buffer.alloc(Math.min(entry.size, 10_000));
    for await (const piece of entry.pieces()) piece.bytes.copy(data, piece.offset);
    found.push({ ...entry, data });
  }
  return found;
}

/** Nothing is kept. */
const nowhere = (): ByteSink => ({
  name: 'nowhere',
  access: 'random',
  write: async () => undefined,
  finish: async () => undefined,
  abort: async () => undefined,
});

const write = (members: readonly Member[]) =>
  writeExt4(tarEntries(chunks(tarOf(members)), 'test'), nowhere(), 'test', {
    uuid: Buffer.alloc(16),
    now: 0,
  });

const folder = (name: string): Member => ({ name, type: '5', mode: 0o755 });

describe('a tar stream', () => {
  it('takes what pax says of a member', async () => {
    const acl = Buffer.from([2, 0, 0, 0]);
    const [entry, next] = await read(
      tarOf([
        {
          name: 'short',
          data: Buffer.from('hello'),
          pax: {
            path: Buffer.from('./a\xff/long'.repeat(40), 'latin1'),
            mtime: '-315619199.5',
            uid: '4000000000',
            'SCHILY.xattr.system.posix_acl_access': acl,
            'SCHILY.xattr.user.a%3Db': Buffer.from('x\n\0y'),
          },
        },
        { name: 'next', data: Buffer.alloc(512, 7) },
      ]),
    );
    expect(entry).toMatchObject({
      uid: 4_000_000_000,
      size: 5,
      modifiedAt: { seconds: -315619200, nanoseconds: 5e8 },
    });
    expect(entry!.path.startsWith('./a\xff/long')).toBe(true);
    expect(entry!.xattrs.get('system.posix_acl_access')!.equals(acl)).toBe(true);
    expect(entry!.xattrs.get('user.a=b')!.toString()).toBe('x\n\0y');
    expect(next).toMatchObject({ path: 'next', uid: 0 });
    expect(next!.data.equals(Buffer.alloc(512, 7))).toBe(true);
  });

  const sparse = (map: string, data: Buffer, realsize: string): Member => ({
    name: 'GNUSparseFile.1/s',
    data: Buffer.concat([Buffer.from(map.padEnd(512, '\0')), data]),
    pax: {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 's',
      'GNU.sparse.realsize': realsize,
    },
  });

  it('sparse members', async () => {
    const [entry] = await read(tarOf([sparse('2\n100\n3\n5000\n2\n', Buffer.from('abcde'), '6000')]));
    expect(entry).toMatchObject({ path: 's', size: 6000 });
    const expected = Buffer.alloc(6000);
    expected.write('abc', 100);
    expected.write('de', 5000);
    expect(entry!.data.equals(expected)).toBe(true);
  });

  it.each([
    ['2\n100\n3\n50\n2\n', 'abcde', '6000'],
    ['1\n100\n5\n', 'abcde', '104'],
    ['1\n0\n9\n', 'abcde', '6000'],
    ['999999999\n', 'abcde', '6000'],
    ['1\n-1\n5\n', 'abcde', '6000'],
    ['x', 'abcde', '6000'],
    ['1\n0\n5\n', 'abcde', '99999999999999999999'],
  ])('a broken map of a sparse member: %j', async (map, data, size) => {
    await expect(read(tarOf([sparse(map, Buffer.from(data), size)]))).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });

  it.each([1, 511, 512, 600, 1000, 1024])('cut off after %i bytes', async (length) => {
    const whole = tarOf([{ name: 'a', data: Buffer.alloc(600, 1) }]);
    await expect(read(whole.subarray(0, length))).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('a wrong checksum', async () => {
    const bytes = tarOf([{ name: 'a' }]);
    bytes[0] = 0x62;
    await expect(read(bytes)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('ext4 from hostile streams', () => {
  const bad: [string, Member[]][] = [
    ['a way out', [{ name: '../../etc/passwd' }]],
    ['a way out in the middle', [{ name: 'a/../../b' }]],
    ['a name twice', [{ name: 'a' }, { name: './a' }]],
    ['a folder twice', [folder('a'), folder('a')]],
    ['a file as folder', [{ name: 'a' }, { name: 'a/b' }]],
    ['through a link', [{ name: 'a', type: '2', link: '/etc' }, { name: 'a/passwd' }]],
    ['a hard link to nothing', [{ name: 'a', type: '1', link: 'b' }]],
    ['a hard link to a folder', [folder('d'), { name: 'a', type: '1', link: 'd' }]],
    ['a hard link out', [{ name: 'a', type: '1', link: '../x' }]],
    ['an empty link', [{ name: 'a', type: '2' }]],
    ['a link that is too long', [{ name: 'a', type: '2', pax: { linkpath: 'x'.repeat(5000) } }]],
    ['a name that is too long', [{ name: 'a', pax: { path: 'x'.repeat(256) } }]],
    ['a root that is a file', [{ name: '.' }]],
    ['an owner beyond 32 bits', [{ name: 'a', pax: { uid: '4294967296' } }]],
    ['an ACL that is none', [{ name: 'a', pax: { 'SCHILY.xattr.system.posix_acl_access': 'abc' } }]],
  ];
  it.each(bad)('%s', async (_, members) => {
    await expect(write(members)).rejects.toMatchObject({ kind: 'corrupt', where: 'test' });
  });

  it.each([
    ['an unknown type', [{ name: 'a', type: 'Z' }]],
    ['attributes of more than a block', [{ name: 'a', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(5000) } }]],
    ['an attribute without a place', [{ name: 'a', pax: { 'SCHILY.xattr.odd.a': 'x' } }]],
    ['a file beyond 16 TiB', [{ name: 'a', pax: { size: '18000000000000' } }]],
  ] as [string, Member[]][])('%s', async (_, members) => {
    await expect(write(members)).rejects.toMatchObject({ kind: 'unsupported', where: 'test' });
  });

  it('folders that come after what is in them', async () => {
    expect(
      await write([{ name: 'a/b/c', data: Buffer.from('x') }, folder('a/b'), folder('a'), folder('.')]),
    ).toBe(9 * 128 * 2 ** 20);
  });
});
