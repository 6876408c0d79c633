/** What a plugin consists of, as one hash: when a byte of it changes, the user is asked again. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { AppError } from '../model/errors.ts';
import { formatBytes, MiB } from '../model/units.ts';
import type { PluginPlace } from './entry.ts';
import { packageAbove } from './find.ts';
import { dependenciesIn } from './manifest.ts';

const mostFiles = 50_000;
const mostBytes = 512 * MiB;

/** @throws AppError `unsupported` when it is too large, or holds a link that leads out of it. */
export async function placeHash(place: PluginPlace): Promise<string> {
  const hash = createHash('sha256');
  if (place.code.kind === 'process') {
    hash.update(JSON.stringify([place.code.command, place.code.described]));
  } else if (place.code.kind === 'folder') {
    const seen = { files: 0, bytes: 0 };
    for (const folder of await withDependencies(place.code.path)) {
      hash.update(`package ${JSON.stringify(relative(place.code.path, folder))}\n`);
      await addFolder(hash, folder, folder, seen);
    }
  }
  return hash.digest('hex');
}

/** The folder, and those of packages beside it that it imports: `npm install` puts them there. */
async function withDependencies(folder: string): Promise<string[]> {
  const found = [folder];
  for (const at of found) {
    for (const name of (await dependenciesIn(at)).sort()) {
      const path = await packageAbove(at, name);
      const real = path === undefined ? undefined : await realpath(path);
      if (real !== undefined && !found.some((known) => real === known || real.startsWith(known + sep)))
        found.push(real);
    }
    if (found.length > 5000) throw new AppError('unsupported', 'it depends on more than 5000 packages');
  }
  return found;
}

async function addFolder(
  hash: Hash,
  root: string,
  folder: string,
  seen: { files: number; bytes: number },
): Promise<void> {
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const told = JSON.stringify(relative(root, path));
    const entry = await lstat(path);
    if (++seen.files > mostFiles) throw tooLarge(root, `more than ${mostFiles} files`);
    if (entry.isDirectory()) {
      hash.update(`folder ${told}\n`);
      await addFolder(hash, root, path, seen);
    } else if (entry.isSymbolicLink()) {
      hash.update(`link ${told} ${JSON.stringify(await readlink(path))}\n`);
      await refuseOutside(root, path);
    } else if (entry.isFile()) {
      seen.bytes += entry.size;
      if (seen.bytes > mostBytes) throw tooLarge(root, `more than ${formatBytes(mostBytes)}`);
      hash.update(`file ${told} ${entry.size}\n`);
      for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    }
  }
}

/** What is elsewhere could change unseen. Our own package is there for its types only. */
async function refuseOutside(root: string, path: string): Promise<void> {
  if (path.endsWith(join('node_modules', 'vmferry'))) return;
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || real === root || real.startsWith(root + sep)) return;
  throw new AppError('unsupported', `${path} leads out of the plugin's folder`, {
    hint: 'put a copy in its place: what lies elsewhere could change without being asked about',
  });
}

const tooLarge = (root: string, what: string): AppError =>
  new AppError('unsupported', `it holds ${what}`, {
    where: root,
    hint: 'a plugin is looked at as a whole before it is loaded; leave out what it does not need to run',
  });
