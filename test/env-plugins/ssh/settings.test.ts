import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import { foldersOf, remotePath } from '../../../src/env-plugins/ssh/settings.ts';
import { keyFileOf, requestOf } from '../../../src/env-plugins/ssh-host/settings.ts';

it('needs a host; what else is empty is left to the configuration of ssh', () => {
  expect(requestOf({ host: 'h' })).toEqual({ host: 'h', legacy: false });
  expect(requestOf({ host: ' [::1] ', port: '2222', user: 'me' })).toEqual({
    legacy: false,
    host: '::1',
    port: 2222,
    user: 'me',
  });
  expect(() => requestOf({})).toThrow(/host is missing/);
  for (const host of ['me@host', 'a b', 'host/path', '-oProxyCommand=x'])
    expect(() => requestOf({ host })).toThrow(/not the name/);
  for (const port of ['0', '65536', '-1', 'x', '1.5']) {
    expect(() => requestOf({ host: 'h', port })).toThrow(/is not a port/);
  }
});

it('knows what is here and what is there', () => {
  expect(keyFileOf({ keyFile: '~/k' })).toBe(join(homedir(), 'k'));
  expect(keyFileOf({ keyFile: '' })).toBeUndefined();
  expect(() => keyFileOf({ keyFile: 'k' })).toThrow(/not an absolute path/);
  expect(foldersOf({})).toEqual(['/var/lib/libvirt/images']);
  expect(foldersOf({ folders: '/a:~/b::/a' })).toEqual(['/a', '~/b']);
  expect(remotePath('~/b', '/home/me')).toBe('/home/me/b');
  expect(remotePath('~', '/home/me')).toBe('/home/me');
  expect(remotePath('b/../c', '/home/me')).toBe('/home/me/c');
  expect(remotePath('/a', '/home/me')).toBe('/a');
  expect(remotePath('~other/b', '/home/me')).toBe('/home/me/~other/b');
});

it('marks what is secret', () => {
  const { fields, roles } = sshPlugin({ imageExtensions: [] });
  expect(fields.filter((f) => f.kind === 'secret').map((f) => f.key)).toEqual(['password', 'keyPassphrase']);
  expect(fields.filter((f) => f.required).map((f) => f.key)).toEqual(['host']);
  expect(roles).toEqual(['source', 'destination']);
});
