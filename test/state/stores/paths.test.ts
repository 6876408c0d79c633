import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ensurePrivateFolder, storePaths } from '../../../src/state/stores/paths.ts';
import { tempFolder } from '../../temp.ts';

const at = (env: NodeJS.ProcessEnv, platform: NodeJS.Platform = 'linux') => {
  const { config, state } = storePaths({ env, platform, home: '/home/ada' });
  return [config, state];
};

it('follows VMFERRY_HOME, then XDG, then the custom of the system', () => {
  expect(at({ VMFERRY_HOME: '/v', XDG_CONFIG_HOME: '/c' })).toEqual(['/v/config', '/v/state']);
  expect(at({ XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s' })).toEqual(['/c/vmferry', '/s/vmferry']);
  expect(at({})).toEqual(['/home/ada/.config/vmferry', '/home/ada/.local/state/vmferry']);
  expect(at({ XDG_CONFIG_HOME: 'relative' })[0]).toBe('/home/ada/.config/vmferry');
  expect(storePaths({ env: { XDG_DATA_HOME: '/d' }, platform: 'linux' }).kept).toBe('/d/vmferry/kept');
  expect(at({}, 'darwin')[0]).toBe('/home/ada/Library/Application Support/vmferry/config');
  expect(at({ APPDATA: '/r', LOCALAPPDATA: '/l' }, 'win32')).toEqual([
    '/r/vmferry/config',
    '/l/vmferry/state',
  ]);
});

it('creates folders for the user alone', async () => {
  const folder = join(await tempFolder(), 'a', 'b');
  await ensurePrivateFolder(folder);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, '..'))).mode & 0o777).toBe(0o700);
});
