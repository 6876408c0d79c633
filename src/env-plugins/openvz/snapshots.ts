/** Snapshots of a container by `vzctl` (OpenVZ 6 and 7), or by `prlctl` where that is all there is. */
import { randomUUID } from 'node:crypto';
import type { Host, RunResult } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import { runTool } from './tools.ts';

export interface Snapshot {
  /** In braces, lower case. */
  readonly id: string;
  readonly name: string;
}

/** Ids as `DiskDescriptor.xml` writes them. */
const guidPattern = /\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}/i;

/** `ctid` has been checked: it is no option. @throws AppError `unsupported`, `io`. */
export async function listSnapshots(host: Host, ctid: string, signal: AbortSignal): Promise<Snapshot[]> {
  const listed = await runTool(host, ['vzctl', 'snapshot-list', ctid, '-H', '-o', 'uuid,name'], signal);
  if (listed !== undefined) {
    return done(listed, 'vzctl snapshot-list', host)
      .split('\n')
      .flatMap((line) => {
        const [id] = guidPattern.exec(line) ?? [];
        return id === undefined
          ? []
          : [{ id: id.toLowerCase(), name: line.slice(line.indexOf(id) + id.length).trim() }];
      });
  }
  const told = await runTool(host, ['prlctl', 'snapshot-list', ctid, '-j'], signal);
  if (told === undefined) throw noTools(host);
  const text = done(told, 'prlctl snapshot-list', host).trim();
  return text === '' ? [] : fromJson(text);
}

/** An object of snapshots by their ids. */
function fromJson(text: string): Snapshot[] {
  let all: unknown;
  try {
    all = JSON.parse(text);
  } catch (error) {
    throw new AppError('corrupt', 'the answer of prlctl snapshot-list is not JSON', { cause: error });
  }
  return Object.entries((all ?? {}) as Record<string, { name?: unknown } | null>).flatMap(([key, value]) => {
    const [id] = guidPattern.exec(key) ?? [];
    return id === undefined ? [] : [{ id: id.toLowerCase(), name: String(value?.name ?? '') }];
  });
}

/**
 * Of its disks alone: it is not suspended, and its memory is not saved. Cancelling waits for its end: half of it
 * can't be undone. Resolves to its id.
 */
export async function takeSnapshot(host: Host, ctid: string, name: string): Promise<string> {
  const id = `{${randomUUID()}}`;
  const taken = await runTool(host, [
    'vzctl',
    'snapshot',
    ctid,
    '--id',
    id,
    '--name',
    name,
    '--skip-suspend',
    '--skip-config',
  ]);
  if (taken !== undefined) {
    done(taken, 'vzctl snapshot', host);
    return id;
  }
  const told = await runTool(host, ['prlctl', 'snapshot', ctid, '--name', name]);
  if (told === undefined) throw noTools(host);
  const said = done(told, 'prlctl snapshot', host);
  const [made] = guidPattern.exec(said) ?? [];
  if (made === undefined)
    throw new AppError('io', 'prlctl does not say which snapshot it made', { where: host.name });
  return made.toLowerCase();
}

/** Merges what was written since. */
export async function deleteSnapshot(host: Host, ctid: string, id: string): Promise<void> {
  const deleted = await runTool(host, ['vzctl', 'snapshot-delete', ctid, '--id', id]);
  if (deleted !== undefined) return void done(deleted, 'vzctl snapshot-delete', host);
  const told = await runTool(host, ['prlctl', 'snapshot-delete', ctid, '--id', id]);
  if (told === undefined) throw noTools(host);
  done(told, 'prlctl snapshot-delete', host);
}

function done({ code, stdout, stderr }: RunResult, what: string, host: Host): string {
  if (code === 0) return stdout.toString();
  const why = (stderr.trim() || stdout.toString().trim()).slice(-500);
  throw new AppError('io', `${what} ends with ${code}: ${why}`, {
    where: host.name,
    hint: 'stop the container (vzctl stop), and run it again',
  });
}

const noTools = (host: Host): AppError =>
  new AppError(
    'unsupported',
    'the container runs, and there is neither vzctl nor prlctl to take a snapshot',
    {
      where: host.name,
      hint: 'stop it first',
    },
  );
