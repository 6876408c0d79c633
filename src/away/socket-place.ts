/**
 * Where a run's socket lies: beside its journal. Where that is no good (the path is too long for an address, others may
 * enter the folder, or the file system knows no sockets) in a folder of its own, of the user alone, among the temporary
 * files: `$XDG_RUNTIME_DIR` is removed when the user's last session ends, which the run is to outlive.
 */
import { lstat, mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** sun_path of unix(7) has 108 bytes with its final zero; macOS has 104. */
const longestPath = 103;
const ownFolder = 'vmferry-run-';

export async function socketPlaces(runs: string, id: string): Promise<(() => Promise<string>)[]> {
  const beside = join(runs, `${id}.sock`);
  return [
    ...((await isPrivate(runs)) && fits(beside) ? [async () => beside] : []),
    ...[...new Set([tmpdir(), '/tmp'])]
      .filter((parent) => fits(join(parent, `${ownFolder}123456`, `${id}.sock`)))
      .map((parent) => () => inNewFolder(parent, id)),
  ];
}

const fits = (path: string): boolean => Buffer.byteLength(path) <= longestPath;

/** Made by `mkdtemp`, with mode 0700. */
async function inNewFolder(parent: string, id: string): Promise<string> {
  const folder = await mkdtemp(join(parent, ownFolder));
  return join(folder, `${id}.sock`);
}

/** A folder of our own, into which nobody else can look. */
async function isPrivate(folder: string): Promise<boolean> {
  if (folder === '') return false;
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}

/** The socket, and its folder where that was made for it. The path may come from a file: only what can be ours goes. */
export async function removePlace(socket: string, id: string): Promise<void> {
  if (basename(socket) !== `${id}.sock`) return;
  const found = await lstat(socket).catch(() => undefined);
  if (found?.isSocket() === true) await rm(socket, { force: true });
  const folder = dirname(socket);
  if (basename(folder).startsWith(ownFolder)) await rmdir(folder).catch(() => undefined); // not empty, or gone
}

/** The folder of the journals, made for the user alone where there is none. */
export async function ensureRuns(runs: string): Promise<void> {
  await mkdir(runs, { recursive: true, mode: 0o700 });
}
