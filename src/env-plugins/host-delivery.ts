/**
 * Files into a folder of a host: they grow under temporary names beside the final ones, and get those all together.
 * For every environment whose machines are files.
 */
import { posix } from 'node:path';
import type { ByteSink } from '../io/byte-source.ts';
import type { Host, HostFile } from '../io/host/host.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Leftover } from '../model/leftover.ts';
import { formatBytes } from '../model/units.ts';
import {
  asideOf,
  hostMoves,
  type PlacedFile,
  putAllBack,
  putBackInterrupted,
  removeReplaced,
  takeBack,
  withFolders,
} from './placed-files.ts';
import type { Delivery, DeliveryRequest, Space } from './plugin.ts';

/** An absolute folder there; a leading `~` is the user's own. @throws AppError `usage`. */
export function hostFolder(request: DeliveryRequest, home: string): string {
  const folder = (request.settings.folder ?? '').trim();
  if (folder === '') {
    throw new AppError('usage', 'the destination folder is missing', { hint: 'name a folder on that host' });
  }
  if (folder.startsWith('/')) return posix.normalize(folder);
  return posix.join(home, folder.replace(/^~(\/|$)/, ''));
}

/** What speaks against these files in that folder; `bytes` is the most that they can take. */
export async function checkHostFolder(
  host: Host,
  folder: string,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Promise<Finding[]> {
  const { signal } = request;
  const findings: Finding[] = [];
  const above = await nearestExisting(host, folder, signal);
  if (above.kind !== 'folder') {
    return [
      {
        rule: 'folder.not-a-folder',
        severity: 'blocker',
        message: `${above.path} on ${host.name} is not a folder`,
      },
    ];
  }
  const free = (await spaceOf(host, above.path, signal))?.freeBytes;
  if (free !== undefined && free < bytes) {
    findings.push({
      rule: 'folder.no-space',
      severity: 'warning',
      message: `up to ${formatBytes(bytes)} will be written and ${formatBytes(free)} are free on ${host.name}`,
      evidence: above.path,
      remedy: 'free some space, or choose another folder or a compressed format',
    });
  }
  for (const file of files) {
    const path = posix.join(folder, file);
    const found = await host.files.stat(path, signal);
    if (found !== undefined && found.kind !== 'file') {
      const { message, hint = '' } = noFile(host, found);
      findings.push({ rule: 'file.is-no-file', severity: 'blocker', message, remedy: hint });
      continue;
    }
    if (found === undefined) continue;
    if (await isBeingRead(host, path, request)) {
      const { message, hint = '' } = beingRead(host, path);
      findings.push({ rule: 'file.is-source', severity: 'blocker', message, remedy: hint });
      continue;
    }
    if (request.force) continue;
    findings.push({
      rule: 'file.exists',
      severity: 'blocker',
      message: `${path} exists already on ${host.name}`,
      remedy: 'choose another name or folder, or allow files to be replaced (--force)',
    });
  }
  return findings;
}

/** Links are followed on both sides. */
async function isBeingRead(host: Host, path: string, request: DeliveryRequest): Promise<boolean> {
  // What can't be told is no "no".
  const real = (name: string) =>
    host.files.realpath(name, request.signal).catch((error) => {
      if (!['not-found', 'auth'].includes(toAppError(error).kind)) throw error;
      return undefined;
    });
  const target = await real(path);
  if (target === undefined) return false;
  for (const name of request.reading ?? []) {
    if (posix.isAbsolute(name) && (await real(name)) === target) return true;
  }
  return false;
}

const beingRead = (host: Host, path: string): AppError =>
  new AppError('conflict', `${path} on ${host.name} is a file that is to be converted`, {
    hint: 'choose another name or folder',
  });

async function nearestExisting(host: Host, folder: string, signal: AbortSignal) {
  for (let path = folder; ; path = posix.dirname(path)) {
    const found = await host.files.stat(path, signal);
    if (found !== undefined) return found;
    if (posix.dirname(path) === path)
      throw new AppError('not-found', 'no such folder', { where: `${host.name}:${path}` });
  }
}

/** Undefined where the host does not tell. POSIX: df -P prints kibibytes, all in the second column, free in the fourth. */
async function spaceOf(host: Host, folder: string, signal: AbortSignal): Promise<Space | undefined> {
  const result = await host.run(['df', '-Pk', folder], { signal }).catch((error) => {
    if (error instanceof AppError && error.kind === 'not-found') return undefined;
    throw error;
  });
  if (result === undefined || result.code !== 0) return undefined;
  const columns = result.stdout.toString().trimEnd().split('\n').at(-1)!.trim().split(/\s+/);
  const [freeBytes, totalBytes] = [columns.at(-3), columns.at(-5)].map(
    (kibibytes) => Number(kibibytes) * 1024,
  );
  return Number.isFinite(freeBytes) && Number.isFinite(totalBytes)
    ? { freeBytes: freeBytes!, totalBytes: totalBytes! }
    : undefined;
}

/** Moves a file aside that is in the way of what a product makes by itself; it is put back as one that is replaced. */
export type SetAside = (path: string) => Promise<void>;

/**
 * `placed` is called when all files are where they belong, and before those are gone that they replaced: when it
 * throws, everything is put back.
 */
export async function hostDelivery(
  host: Host,
  folder: string,
  request: DeliveryRequest,
  placed?: (setAside: SetAside) => Promise<void>,
): Promise<Delivery> {
  const { files } = host;
  const moves = hostMoves(host);
  const parts: PlacedFile[] = [];
  const open = new Set<ByteSink>();
  const made = await makeFolder(host, folder, request.signal);
  let committed = false;
  let stays: Leftover[] = [];

  // What moves a file is not cancelled half-way.
  const makeRoom = async (part: PlacedFile) => {
    const found = await files.stat(part.final, request.signal);
    if (found !== undefined) {
      refuseExisting(host, found, request.force);
      part.replaced = asideOf(part.temporary);
      await files.rename(part.final, part.replaced);
    }
    throwIfAborted(request.signal);
  };
  const putInPlace = async (part: PlacedFile) => {
    await makeRoom(part);
    part.placing = true;
    await files.rename(part.temporary, part.final);
  };
  const setAside: SetAside = (path) => {
    const name = `.${posix.basename(path)}.vmferry-${request.runId}`;
    const part = { temporary: posix.join(posix.dirname(path), name), final: path };
    parts.push(part);
    return makeRoom(part);
  };
  return {
    async sink({ name, begun }) {
      if (name.includes('/') || name === '' || name === '.' || name === '..') {
        throw new AppError('usage', `"${name}" can't be the name of a file`, {
          hint: 'choose a name without "/"',
        });
      }
      const final = posix.join(folder, name);
      // Filesystems take 255 bytes.
      const known = Buffer.byteLength(name) <= 200 ? name : `file${parts.length}`;
      const temporary = posix.join(folder, `.${known}.vmferry-${request.runId}.part`);
      const part = { temporary, final };
      if (request.resume === true) await putBackInterrupted(moves, part);
      const found = await files.stat(final, request.signal);
      if (found !== undefined) refuseExisting(host, found, request.force);
      if (await isBeingRead(host, final, request)) throw beingRead(host, final);
      parts.push(part);
      // Not cancelled half-way: what is made after it was removed would stay.
      const there = request.resume === true && (await files.stat(temporary)) !== undefined;
      const resume = begun === true || there;
      const sink = await files.create(temporary, { resume }).catch((error) => {
        if (toAppError(error).kind === 'conflict') parts.splice(parts.indexOf(part), 1); // somebody else's
        throw error;
      });
      open.add(sink);
      throwIfAborted(request.signal);
      return {
        ...sink,
        async finish(size, modifiedAt) {
          await sink.finish(size, modifiedAt);
          open.delete(sink);
        },
      };
    },
    space: (signal) => spaceOf(host, folder, signal),
    async commit() {
      try {
        for (const part of parts) await putInPlace(part);
        await placed?.(setAside);
      } catch (error) {
        await putAllBack(moves, parts);
        throw error;
      }
      committed = true;
      stays = await removeReplaced(moves, parts);
      const placedOnes = parts.filter(({ placing }) => placing);
      return placedOnes.map((part) => (host.here ? part.final : `${host.name}:${part.final}`));
    },
    async sums(signal) {
      const { writeSums } = await import('./file-sums.ts');
      const placedOnes = parts.filter(({ placing }) => placing).map(({ final }) => final);
      const path = await writeSums(host, folder, placedOnes, signal);
      return host.here ? path : `${host.name}:${path}`;
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

/** Resolves to the folders that were not there before, the deepest first. */
async function makeFolder(host: Host, folder: string, signal: AbortSignal): Promise<string[]> {
  const made: string[] = [];
  for (let path = folder; posix.dirname(path) !== path; path = posix.dirname(path)) {
    if ((await host.files.stat(path, signal)) !== undefined) break;
    made.push(path);
  }
  throwIfAborted(signal);
  await withFolders(hostMoves(host), made, () => host.files.makeFolder(folder));
  return made;
}

const exists = (host: Host, path: string): AppError =>
  new AppError('conflict', 'a file of this name exists already', {
    where: `${host.name}:${path}`,
    hint: 'choose another name or folder, or allow files to be replaced (--force)',
  });

/** A folder or a device keeps its place, whatever the user allows. */
const noFile = (host: Host, { path, kind }: HostFile): AppError =>
  new AppError(
    'conflict',
    `${path} on ${host.name} is ${kind === 'other' ? 'no file' : `a ${kind}`}, and never replaced`,
    { hint: 'choose another name or folder' },
  );

function refuseExisting(host: Host, found: HostFile, force: boolean): void {
  if (found.kind !== 'file') throw noFile(host, found);
  if (!force) throw exists(host, found.path);
}
