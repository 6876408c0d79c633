import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readPublicKeys } from '../../src/convert/public-keys.ts';
import {
  changeLines,
  guestLines,
  guestOf,
  sshKeysOf,
  unknownChanges,
} from '../../src/headless/guest-options.ts';
import type { GuestChange } from '../../src/model/guest-change.ts';
import { tempFolder } from '../temp.ts';

it('says nothing of the guest where nothing was said', () => {
  expect(guestOf({})).toBeUndefined();
  expect(guestOf({ diskBus: 'sata' })).toBeUndefined();
});

it('leaves to the destination what is not said', () => {
  expect(guestOf({ hostname: 'web', withoutChange: ['network'] })).toEqual({
    without: ['network'],
    add: { hostname: 'web' },
  });
  expect(guestOf({ changes: 'none', engine: 'libguestfs', shrink: false })).toEqual({
    changes: 'none',
    engine: 'libguestfs',
    shrink: false,
  });
});

it('takes every addition; paths are of this computer', () => {
  const options = {
    passwordOf: ['root', 'root'],
    copyIn: ['a:b:/etc/motd', '~/x:/x'],
    firstBoot: ['first.sh'],
    install: ['agent.deb'],
    cloudInit: 'off',
    agent: true,
    removeTools: true,
    windowsDrivers: 'virtio-win.iso',
  } as const;
  expect(guestOf(options)).toEqual({
    windowsDrivers: resolve('virtio-win.iso'),
    add: {
      passwordsOf: ['root'],
      copies: [
        { from: resolve('a:b'), to: '/etc/motd' },
        { from: join(homedir(), 'x'), to: '/x' },
      ],
      firstBoot: [resolve('first.sh')],
      packages: [resolve('agent.deb')],
      cloudInit: false,
      agent: true,
      removeTools: true,
    },
  });
});

it('takes back and does nothing else', () => {
  expect(guestOf({ undo: '20260101-000000-0000' })).toEqual({
    undo: '20260101-000000-0000',
    changes: 'none',
    shrink: false,
  });
});

it.each([
  [() => guestOf({ hostname: 'a b' })],
  [() => guestOf({ hostname: `${'a'.repeat(64)}.b` })],
  [() => guestOf({ copyIn: ['a:b'] })],
  [() => guestOf({ copyIn: [':/b'] })],
  [() => sshKeysOf({ sshKey: ['root'] })],
])('refuses what it can not make sense of (%#)', (read) => {
  expect(read).toThrow(expect.objectContaining({ kind: 'usage', hint: expect.any(String) }));
});

it('reads public keys, and never a private one', async () => {
  const folder = await tempFolder();
  const file = async (text: string) => {
    const path = join(folder, 'key');
    await writeFile(path, text);
    return path;
  };
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGa me@here';
  expect(await readPublicKeys(await file(`# mine\n\n${key}\nfrom="10.0.0.1" ${key}\r\n`))).toEqual([
    key,
    `from="10.0.0.1" ${key}`,
  ]);
  await expect(readPublicKeys(await file('-----BEGIN OPENSSH PRIVATE KEY-----\n'))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^this is a private key/),
  });
  await expect(readPublicKeys(await file('hello\n'))).rejects.toMatchObject({ kind: 'usage' });
  await expect(readPublicKeys(await file('\n'))).rejects.toMatchObject({ kind: 'usage' });
  await expect(readPublicKeys(join(folder, 'none'))).rejects.toMatchObject({ kind: 'not-found' });
});

const change: GuestChange = {
  id: 'names.fstab',
  title: 'Filesystems are mounted by UUID',
  reason: 'the bus is another one',
  need: 'needed',
  files: [
    { path: '/etc/fstab', kind: 'changed', bytes: 9, diff: '-/dev/sda1\t/\n+UUID=1\t/\n' },
    { path: '/etc/shadow', kind: 'changed', secret: true },
  ],
};

it('prints a change with its reason and diffs, and nothing of what is secret', () => {
  expect(changeLines(change)).toEqual([
    '  names.fstab (needed): Filesystems are mounted by UUID',
    '    why: the bus is another one',
    '    /etc/fstab: changed, 9 bytes',
    '      -/dev/sda1    /',
    '      +UUID=1    /',
    '    /etc/shadow: changed',
    '      not shown: it is secret',
  ]);
  expect(guestLines({ changes: [], leftOut: [change] })).toEqual([
    'left as it is, as it was asked for:',
    '  names.fstab: Filesystems are mounted by UUID',
  ]);
  expect(guestLines({ changes: [], leftOut: [] })).toEqual(['nothing is changed inside the guest']);
});

it('knows a slip in what is to be left out', () => {
  const guests = [{ changes: [change], leftOut: [] }];
  expect(unknownChanges({ withoutChange: ['names', 'names.fstab', 'nams'] }, guests)).toEqual(['nams']);
});
