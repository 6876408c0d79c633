/** A folder on this computer as destination. Files grow under temporary names beside the final ones. */
import { access, constants, mkdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { fileSink } from '../../io/file-sink.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import type { Delivery, DeliveryRequest, DestinationRole } from '../plugin.ts';
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

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error) => {
      if (toAppError(error).kind === 'not-found') return false;
      throw toAppError(error);
    },
  );

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
  const space = await statfs(above);
  const free = space.bavail * space.bsize;
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
    if (request.force || !(await exists(join(folder, file)))) continue;
    findings.push({
      rule: 'file.exists',
      severity: 'blocker',
      message: `${join(folder, file)} exists already`,
      remedy: 'choose another name, or allow it to be replaced (--force)',
    });
  }
  return findings;
}

interface Part {
  readonly temporary: string;
  readonly final: string;
  /** Where the file that was replaced waits until all are in place. */
  replaced?: string;
  done?: boolean;
}

async function begin(request: DeliveryRequest): Promise<Delivery> {
  const folder = folderOf(request);
  const parts: Part[] = [];
  const open = new Set<ByteSink>();
  // The topmost folder made by us: removed again by a rollback.
  const made = await mkdir(folder, { recursive: true }).catch((error) => {
    throw toAppError(error);
  });
  let committed = false;

  return {
    async sink({ name }) {
      if (name.includes('/') || name === '' || name === '.' || name === '..') {
        throw new AppError('usage', `"${name}" can't be the name of a file`, {
          hint: 'choose a name without "/"',
        });
      }
      const final = join(folder, name);
      if (!request.force && (await exists(final))) {
        throw new AppError('conflict', 'the file exists already', {
          where: final,
          hint: 'choose another name, or allow it to be replaced (--force)',
        });
      }
      const temporary = join(folder, `.${name}.vmferry-${request.runId}.part`);
      const sink = await fileSink(temporary, { sync: request.sync });
      parts.push({ temporary, final });
      open.add(sink);
      return sink;
    },
    async commit() {
      try {
        for (const part of parts) await putInPlace(part, request);
      } catch (error) {
        await takeBack(parts);
        throw toAppError(error);
      }
      committed = true;
      for (const part of parts) if (part.replaced !== undefined) await rm(part.replaced, { force: true });
      return parts.map((part) => part.final);
    },
    async rollback() {
      if (committed) return;
      for (const sink of open) await sink.abort();
      open.clear();
      for (const part of parts) await rm(part.temporary, { force: true }).catch(() => undefined);
      if (made !== undefined) await removeMade(made, folder);
    },
  };
}

async function putInPlace(part: Part, request: DeliveryRequest): Promise<void> {
  if (await exists(part.final)) {
    if (!request.force) {
      throw new AppError('conflict', 'a file of this name appeared meanwhile', {
        where: part.final,
        hint: 'move it away or choose another name',
      });
    }
    const aside = `${part.temporary}.replaced`;
    await rename(part.final, aside);
    part.replaced = aside;
  }
  await rename(part.temporary, part.final);
  part.done = true;
}

async function takeBack(parts: readonly Part[]): Promise<void> {
  for (const part of parts) {
    if (part.done) await rename(part.final, part.temporary);
    if (part.replaced !== undefined) await rename(part.replaced, part.final);
  }
}

/** Removes the folders that `begin` made, as long as they are empty. */
async function removeMade(made: string, folder: string): Promise<void> {
  for (let path = folder; path.length >= made.length; path = dirname(path)) {
    const gone = await rmdir(path).then(
      () => true,
      () => false, // somebody put something there: it stays
    );
    if (!gone) return;
  }
}
