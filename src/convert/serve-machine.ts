/** The disks of a machine, served by NBD as the guest would see them. */
import type { Session, SourceRole } from '../env-plugins/plugin.ts';
import type { Disk } from '../io/disk.ts';
import { onAbort } from '../io/host/abort-watch.ts';
import type { NbdExport } from '../io/nbd/server.ts';
import { AppError, describeFailure, toFailure } from '../model/errors.ts';
import type { Machine, MachineDisk } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import { machineWanted } from './find-machine.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import { spoolFolderForLooks } from './unpack.ts';

export interface ServedDisk {
  readonly disk: string;
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  readonly writable: boolean;
}

export interface ServeMachineOptions {
  readonly how: Opening;
  /** Ids, names, or numbers from 1 on; absent: all. */
  readonly disks?: readonly string[];
  readonly listen?: { readonly path: string } | { readonly port: number };
  /** What is written goes to an overlay that nobody sees after the end. */
  readonly writable: boolean;
  readonly signal: AbortSignal;
  report(step: string, share?: number): void;
  /** Something was done to the source that must be undone, or it was. */
  holding(held: boolean): void;
  /** An error of the storage, which the client is told as well; what holding the machine brings with it. */
  remark(text: string): void;
  served(disk: ServedDisk): void;
}

/** Resolves when `signal` has ended it; nothing is left open or held. @throws AppError when it can't begin. */
export async function serveMachine(
  session: Session,
  id: string,
  options: ServeMachineOptions,
): Promise<void> {
  const { signal, report, how } = options;
  report('looking at its disks');
  const wanted = await machineWanted(sourceOf(session), id, how, signal);
  const chosen = chooseDisks(wanted.machine, options.disks);
  const held = await holdIfUp(sourceOf(session), wanted.machine, options);
  try {
    const disks = chosen.map((disk) => held.machine.disks.find((d) => d.id === disk.id) ?? disk);
    await serveDisks(session, held.machine, disks, { ...options, how: wanted.opening });
  } finally {
    await held.release();
  }
}

/** A machine that is up is served as it is now: at a point in time that stands still until the end. */
async function holdIfUp(
  source: SourceRole,
  machine: Machine,
  { signal, report, remark, holding }: ServeMachineOptions,
): Promise<{ machine: Machine; release(): Promise<void> }> {
  const { state } = machine;
  if ((state !== 'running' && state !== 'suspended') || source.hold === undefined) {
    return { machine, release: async () => undefined };
  }
  holding(true);
  try {
    report(`holding ${machine.name}, which is ${state}`);
    const runId = `serve-${process.pid}-${Date.now().toString(36)}`;
    const hold = await source.hold(machine, { runId, signal, report });
    remark(`${machine.name} is ${state}: what is served is how it is now, held until the end`);
    for (const { message } of hold.findings) remark(message);
    return {
      machine: hold.machine,
      async release() {
        for (const text of await hold.release()) remark(text);
        holding(false);
      },
    };
  } catch (error) {
    holding(false);
    throw error;
  }
}

async function serveDisks(
  session: Session,
  machine: Machine,
  disks: readonly MachineDisk[],
  options: ServeMachineOptions,
): Promise<void> {
  const { signal, listen, served, writable } = options;
  const exports: NbdExport[] = [];
  try {
    for (const disk of disks) exports.push(await exported(session, machine, disk, disks.length > 1, options));
    const { serveNbd } = await import('../io/nbd/server.ts');
    const server = await serveNbd({ exports, ...(listen === undefined ? {} : { listen }) });
    try {
      for (const [i, { name, disk }] of exports.entries()) {
        served({ disk: disks[i]!.name, uri: server.uri(name), size: disk.size, writable });
      }
      await new Promise<void>((resolve) => {
        onAbort(signal, resolve);
        if (signal.aborted) resolve();
      });
    } finally {
      await server.close();
    }
  } finally {
    await Promise.allSettled(exports.map(({ disk }) => disk.close()));
  }
}

async function exported(
  session: Session,
  machine: Machine,
  { id, name }: MachineDisk,
  isOneOfSeveral: boolean,
  { how, signal, report, remark, writable }: ServeMachineOptions,
): Promise<NbdExport> {
  const spoolFolder = spoolFolderForLooks();
  const opening = { signal, runId: 'serve', spoolFolder, report };
  const image = telling(
    await openMachineDisk(session, { machine: machine.id, ...how }, machine, id, opening),
    (error) => remark(`${name}: ${describeFailure(toFailure(error))}`),
  );
  const plain = { name: isOneOfSeveral ? name : '', description: `${machine.name}: ${name}` };
  if (!writable) return { ...plain, disk: image };
  try {
    const [{ copyOnWrite }, { overlayFile }] = await Promise.all([
      import('../io/writable-disk.ts'),
      import('../io/overlay-file.ts'),
    ]);
    const disk = copyOnWrite(image, await overlayFile(spoolFolder, 'serve'));
    return { ...plain, disk, writable: disk };
  } catch (error) {
    await image.close();
    throw error;
  }
}

/** @throws AppError `usage`, `unsupported` for a machine without disks. */
export function chooseDisks({ disks, name }: Machine, wanted?: readonly string[]): readonly MachineDisk[] {
  if (disks.length === 0) throw new AppError('unsupported', 'it has no disk', { where: name });
  if (wanted !== undefined) {
    return [...new Set(wanted)].map((word) => {
      const found =
        disks.find((d) => d.id === word) ?? disks.find((d) => d.name === word) ?? disks[Number(word) - 1];
      if (found !== undefined) return found;
      throw new AppError('usage', `there is no disk "${word}"`, {
        hint: `there are: ${disks.map((d, i) => `${i + 1} (${d.name})`).join(', ')}`,
      });
    });
  }
  const twice = disks.find((disk, i) => disks.some((other, j) => j < i && other.name === disk.name));
  if (twice === undefined) return disks;
  throw new AppError('usage', `two of its disks are called "${twice.name}", which names no export`, {
    where: name,
    hint: 'serve them one by one: say --disk with a number',
  });
}

/** The client is told a few words only. */
function telling(disk: Disk, tell: (error: unknown) => void): Disk {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (toFailure(error).kind !== 'cancelled') tell(error);
      throw error;
    }
  };
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    read: (target, offset, signal) => told(disk.read(target, offset, signal)),
    extents: (from, to, signal) => told(disk.extents(from, to, signal)),
    close: () => disk.close(),
  };
}
