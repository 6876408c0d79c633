/** Where plugins from outside are: the user's plugin folder, and what the preferences name. Imports nothing of them. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { toAppError } from '../model/errors.ts';
import type { PluginEntry, PluginPlace } from './entry.ts';

export interface PluginSources {
  /** `plugins/` beside the preferences. */
  readonly folder: string;
  readonly entries: readonly PluginEntry[];
  /** Where this program is installed: packages installed beside it are found too. */
  readonly programFolder: string;
}

export async function findPlugins(sources: PluginSources): Promise<PluginPlace[]> {
  const own = await inFolder(sources.folder);
  const named = await Promise.all(sources.entries.map((entry) => placeOf(entry, sources)));
  const all = [...own, ...named];
  // Named in the preferences as well as found: once is enough.
  return all.filter((place, i) => all.findIndex((other) => other.key === place.key) === i);
}

/** Each folder in the plugin folder is a plugin; packages of npm lie in `node_modules` and are named one by one. */
async function inFolder(folder: string): Promise<PluginPlace[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    if (toAppError(error).kind === 'not-found') return [];
    throw toAppError(error);
  });
  const names = entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name)
    .filter((name) => name !== 'node_modules' && !name.startsWith('.'))
    .sort();
  return Promise.all(names.map((name) => folderPlace(join(folder, name), 'plugin folder', name)));
}

async function placeOf(entry: PluginEntry, sources: PluginSources): Promise<PluginPlace> {
  if (entry.kind === 'folder') return folderPlace(entry.path, 'folder', basename(entry.path));
  if (entry.kind === 'process') {
    return {
      key: `process:${entry.name}`,
      name: entry.name,
      origin: 'process',
      where: entry.command.join(' '),
      code: { kind: 'process', command: entry.command, described: entry.described },
    };
  }
  const found =
    (await packageAbove(sources.folder, entry.name)) ??
    (await packageAbove(sources.programFolder, entry.name));
  if (found !== undefined) return folderPlace(found, 'package', entry.name);
  return {
    key: `package:${entry.name}`,
    name: entry.name,
    origin: 'package',
    where: entry.name,
    code: {
      kind: 'missing',
      reason: `it is not installed; npm install --prefix "${sources.folder}" ${entry.name} does that`,
    },
  };
}

async function folderPlace(path: string, origin: PluginPlace['origin'], name: string): Promise<PluginPlace> {
  try {
    const real = await realpath(path);
    if (!(await stat(real)).isDirectory())
      return missing(path, origin, name, 'it is a file; a plugin is a folder');
    return { key: real, name, origin, where: path, code: { kind: 'folder', path: real } };
  } catch (error) {
    return missing(path, origin, name, toAppError(error).message);
  }
}

const missing = (path: string, origin: PluginPlace['origin'], name: string, reason: string): PluginPlace => ({
  key: path,
  name,
  origin,
  where: path,
  code: { kind: 'missing', reason },
});

/** As Node.js looks for packages: in `node_modules` of the folder, and of those above it. */
export async function packageAbove(folder: string, name: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name);
    if (await stat(join(path, 'package.json')).catch(() => undefined)) return path;
    if (dirname(at) === at) return undefined;
  }
}

/** A name as npm has them; nothing that leads out of `node_modules`. */
export const isPackageName = (name: string): boolean =>
  /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name);
