/** A folder on this computer as destination. Files grow under temporary names beside the final ones. */
import type { Stats } from 'node:fs';
import {
  access,
  constants,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { fileSink } from '../../io/file-sink.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Leftover } from '../../model/leftover.ts';
import { formatBytes } from '../../model/units.ts';
import {
  asideOf,
  type FileMoves,
  type PlacedFile,
  putAllBack,
  putBackInterrupted,
  removeReplaced,
  takeBack,
  withFolders,
} from '../placed-files.ts';
import type { Delivery, DeliveryRequest, DestinationRole, Space } from '../plugin.ts';
import { expandHome } from './expand-home.ts';

export function destinationRole(): DestinationRole {
  return { check, begin };
}

function folderOf(request: DeliveryRequest): string {
  const folder = request.settings.folder;
  if (folder === undefined || folder === '') {
    throw new AppError('usage', 'the destination folder is missing', { hint: 'name a folder to write to' });
  }
  return expandHome(folder);
}

const orNothing = (error: unknown): undefined => {
  if (toAppError(error).kind === 'not-found') return undefined;
  throw toAppError(error);
};

/** What has this name: a link is the link itself, for that is what would be replaced. */
const entryAt = (path: string): Promise<Stats | undefined> => lstat(path).catch(orNothing);

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(orNothing)) !== undefined;

/** Why a file of this name can't be written, or undefined. */
async function obstacle(path: string, request: DeliveryRequest): Promise<Finding | undefined> {
  const entry = await entryAt(path);
  if (entry === undefined) return undefined;
  if (await isBeingRead(entry, request)) {
    return {
      rule: 'file.is-source',
      severity: 'blocker',
      message: `${path} is a file that is to be converted`,
      remedy: 'choose another name or folder',
    };
  }
  if (entry.isDirectory()) {
    return {
      rule: 'file.is-folder',
      severity: 'blocker',
      message: `${path} is a folder`,
      remedy: 'choose another name',
    };
  }
  // A link may lead to a device, as those of /dev/disk do.
  const behind = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
  if (behind !== undefined && !behind.isFile() && !behind.isDirectory()) {
    return {
      rule: 'file.is-device',
      severity: 'blocker',
      message: `${path} is ${behind.isBlockDevice() ? 'a block device' : 'no file'}, and never replaced`,
      remedy: 'write a raw image to a folder, and copy it to the device from there',
    };
  }
  if (request.force) return undefined;
  return {
    rule: 'file.exists',
    severity: 'blocker',
    message: `${path} exists already`,
    remedy:
      'choose another name or folder, or allow files to be replaced: "Replace" on the Configuration screen, --force on the command line',
  };
}

async function isBeingRead(entry: Stats, request: DeliveryRequest): Promise<boolean> {
  for (const path of request.reading ?? []) {
    // Some are no paths: a member of an archive, a machine of several.
    const found = await stat(path).catch(() => undefined);
    if (found?.dev === entry.dev && found.ino === entry.ino) return true;
  }
  return false;
}

/** The folder itself, or the nearest one above that exists: where space and permission are looked at. */
async function nearestExisting(folder: string): Promise<string> {
  let path = folder;
  while (!(await exists(path)) && dirname(path) !== path) path = dirname(path);
  return path;
}

async function check(request: DeliveryRequest, files: readonly string[], bytes: number): Promise<Finding[]> {
  const folder = folderOf(request);
  const findings: Finding[] = [];
  const above = await nearestExisting(folder);
  if (!(await stat(above)).isDirectory()) {
    return [
      {
        rule: 'folder.not-a-folder',
        severity: 'blocker',
        message: `${above} is a file, not a folder`,
        evidence: folder,
      },
    ];
  }
  const writable = await access(above, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable) {
    findings.push({
      rule: 'folder.not-writable',
      severity: 'blocker',
      message: `${above} can't be written to by this user`,
      remedy: 'choose another folder, or change its owner or mode',
    });
  }
  const free = (await spaceOf(above)).freeBytes;
  if (free < bytes) {
    findings.push({
      rule: 'folder.no-space',
      severity: 'warning',
      message: `up to ${formatBytes(bytes)} will be written and ${formatBytes(free)} are free`,
      evidence: above,
      remedy: 'free some space, or choose another folder or a compressed format',
    });
  }
  for (const file of files) {
    const found = await obstacle(join(folder, file), request);
    if (found !== undefined) findings.push(found);
  }
  return findings;
}

async function spaceOf(folder: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(folder).catch((error) => {
    throw toAppError(error);
  });
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

async function begin(request: DeliveryRequest): Promise<Delivery> {
  const folder = folderOf(request);
  const parts: PlacedFile[] = [];
  const open = new Set<ByteSink>();
  const made = await makeFolder(folder);
  let committed = false;
  let stays: Leftover[] = [];

  return {
    async sink({ name, begun }) {
      if (name.includes('/') || name === '' || name === '.' || name === '..') {
        throw new AppError('usage', `"${name}" can't be the name of a file`, {
          hint: 'choose a name without "/"',
        });
      }
      const final = join(folder, name);
      const temporary = join(folder, temporaryName(name, parts.length, request.runId));
      const part = { temporary, final };
      if (request.resume === true) await putBackInterrupted(moves, part);
      await refuseObstacle(final, request);
      parts.push(part);
      const there = request.resume === true && (await entryAt(temporary))?.isFile() === true;
      const resume = begun === true || there;
      const sink = await fileSink(temporary, { sync: request.sync, resume }).catch((error) => {
        if (toAppError(error).kind === 'conflict') parts.splice(parts.indexOf(part), 1); // somebody else's
        throw error;
      });
      open.add(sink);
      return {
        ...sink,
        async finish(size, modifiedAt) {
          await sink.finish(size, modifiedAt);
          open.delete(sink); // its buffer too: a split disk has hundreds of files
        },
      };
    },
    async adopt({ name, path }) {
      const final = join(folder, name);
      await refuseObstacle(final, request);
      const temporary = join(folder, temporaryName(name, parts.length, request.runId));
      const part = { temporary, final };
      parts.push(part);
      // A rename replaces what has the name: nobody else's file has this one.
      const moved = await rename(path, temporary).then(
        () => true,
        (error) => {
          if ((error as NodeJS.ErrnoException).code === 'EXDEV') return false;
          throw toAppError(error);
        },
      );
      if (!moved) {
        parts.splice(parts.indexOf(part), 1);
        return false;
      }
      if (request.sync) await flushed(temporary);
      return true;
    },
    space: () => spaceOf(folder),
    async commit() {
      try {
        for (const part of parts) await putInPlace(part, request);
      } catch (error) {
        await putAllBack(moves, parts);
        throw toAppError(error);
      }
      committed = true;
      stays = await removeReplaced(moves, parts);
      return parts.map((part) => part.final);
    },
    async sums(signal) {
      const { writeSumsHere } = await import('../file-sums.ts');
      return writeSumsHere(
        folder,
        parts.map((part) => part.final),
        signal,
      );
    },
    async suspend() {
      for (const sink of open) await sink.abort();
      open.clear();
    },
    async rollback() {
      if (committed) return [];
      for (const sink of open) await sink.abort();
      open.clear();
      return takeBack(moves, parts, made);
    },
    remains: () => stays,
  };
}

async function refuseObstacle(path: string, request: DeliveryRequest): Promise<void> {
  const found = await obstacle(path, request);
  if (found === undefined) return;
  throw new AppError('conflict', found.message, found.remedy === undefined ? {} : { hint: found.remedy });
}

/** Filesystems take 255 bytes: of a long name the start must do, and its number. */
async function flushed(path: string): Promise<void> {
  const handle = await open(path, 'r+').catch((error) => {
    throw toAppError(error);
  });
  try {
    await handle.sync();
  } catch (error) {
    throw toAppError(error);
  } finally {
    await handle.close();
  }
}

function temporaryName(name: string, index: number, runId: string): string {
  const start = Buffer.from(name)
    .toString('latin1', 0, 60)
    .replace(/[^\w.-]/g, '_');
  const known = Buffer.byteLength(name) <= 200 ? name : `${start}~${index}`;
  return `.${known}.vmferry-${runId}.part`;
}

async function putInPlace(part: PlacedFile, request: DeliveryRequest): Promise<void> {
  throwIfAborted(request.signal);
  await refuseObstacle(part.final, request);
  if ((await entryAt(part.final)) !== undefined) {
    const aside = asideOf(part.temporary);
    part.replaced = aside;
    // A second name, so that the first one is never missing; not every filesystem has that.
    await link(part.final, aside).catch(() => rename(part.final, aside));
  }
  part.placing = true;
  await rename(part.temporary, part.final);
}

const moves: FileMoves = {
  on: '',
  links: true,
  exists: async (path) => (await entryAt(path)) !== undefined,
  rename,
  async remove(path) {
    const entry = await entryAt(path);
    await (entry?.isDirectory() ? rmdir(path) : rm(path, { force: true }));
  },
  isEmpty: async (folder) => (await readdir(folder)).length === 0,
};

/** Resolves to the folders that were not there before, the deepest first. */
async function makeFolder(folder: string): Promise<string[]> {
  const made: string[] = [];
  for (let path = resolve(folder); !(await exists(path)); path = dirname(path)) made.push(path);
  await withFolders(moves, made, async () => void (await mkdir(folder, { recursive: true })));
  return made;
}
