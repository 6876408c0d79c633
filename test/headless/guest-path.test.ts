import { expect, it } from 'vitest';
import { longLines } from '../../src/headless/files.ts';
import { guestPath } from '../../src/headless/guest-path.ts';

const there =
  (...paths: string[]) =>
  async (path: string) =>
    paths.includes(path);

it('an image, a colon and a path', async () => {
  expect(await guestPath('disk.qcow2:/etc/fstab', there())).toEqual({
    image: 'disk.qcow2',
    path: '/etc/fstab',
  });
  expect(await guestPath('lab:web:/a:/b', there())).toEqual({ image: 'lab:web', path: '/a:/b' });
  expect(await guestPath('a:/b.img:/etc', there('a:/b.img'))).toEqual({ image: 'a:/b.img', path: '/etc' });
  await expect(guestPath('disk.qcow2', there())).rejects.toMatchObject({ kind: 'usage' });
  await expect(guestPath(':/etc', there())).rejects.toMatchObject({ kind: 'usage' });
});

it('a long list has modes, owners, sizes and times', () => {
  expect(
    longLines([
      { name: 'su', kind: 'file', mode: 0o4755, uid: 0, gid: 0, size: 1234, modifiedAt: 0 },
      { name: 'tmp', kind: 'folder', mode: 0o1777, uid: 0, gid: 10, size: 9, modifiedAt: 1e15 },
      { name: 'sh\u001b[2J', kind: 'link', target: 'dash' },
    ]),
  ).toEqual([
    '-rwsr-xr-x  0:0   1234  1970-01-01 00:00  su',
    'drwxrwxrwt  0:10     9  -                 tmp',
    'l---------  -:-         -                 sh\\u{1b}[2J -> dash',
  ]);
});
