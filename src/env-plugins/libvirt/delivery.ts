/** One machine on its way into a libvirt: volumes first, its definition last. */
import { posix } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { writeDomain } from './domain-writer.ts';
import { type ExistingDomain, inspectExisting, knownDomains, replacingFindings } from './existing-domain.ts';
import { fitMachine } from './fit-machine.ts';
import { startDomain } from './start-domain.ts';
import { type Ground, nvramName, surroundingsOf, volumeObstacle } from './survey.ts';
import { fed, virshWithInput } from './virsh-input.ts';
import { directVolume, type NewVolume, uploadedVolume } from './volumes.ts';

/** By the extension alone: what a guest has written into its disk is never asked. */
export function formatOf(file: string): 'qcow2' | 'raw' | undefined {
  const extension = posix.extname(file).toLowerCase();
  if (extension === '.qcow2') return 'qcow2';
  return ['.raw', '.img', '.dd', '.bin'].includes(extension) ? 'raw' : undefined;
}

/** Why this can't be the name of a volume. */
export function impossibleName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[/\0-\x1f\x7f]/.test(name)) {
    return `"${name}" can't be the name of a volume`;
  }
  return formatOf(name) === undefined ? `"${name}" is neither a qcow2 nor a raw disk` : undefined;
}

export async function beginDelivery(
  libvirt: Libvirt,
  request: DeliveryRequest,
  ground: Ground,
): Promise<Delivery> {
  const { signal, runId } = request;
  const volumes: NewVolume[] = [];
  let variables: NewVolume | undefined;
  let uuid: string | undefined;
  let committed = false;

  const make = async (name: string, size: number | undefined): Promise<NewVolume> => {
    const found = await volumeObstacle(libvirt, ground, request, name);
    if (found !== undefined) {
      throw new AppError('conflict', found.message, found.remedy === undefined ? {} : { hint: found.remedy });
    }
    const wanted = { name, size, runId, signal };
    const { folder, pool } = ground;
    if (folder === undefined) return uploadedVolume(libvirt, pool, wanted);
    return directVolume(libvirt, folder, wanted).catch((error) => {
      // Commands may do what files may not: a host without SFTP, a login by sudo.
      if (!['auth', 'unsupported'].includes(toAppError(error).kind)) throw error;
      return uploadedVolume(libvirt, pool, wanted);
    });
  };
  const all = () => (variables === undefined ? volumes : [...volumes, variables]);

  return {
    async sink({ name, size }) {
      const bad = impossibleName(name);
      if (bad !== undefined)
        throw new AppError('usage', bad, { hint: 'choose another name, and qcow2 or raw' });
      const volume = await make(name, size);
      volumes.push(volume);
      return volume.sink;
    },
    async commit() {
      const around = await surroundingsOf(libvirt, request, ground);
      if (around.carried !== undefined) {
        variables = await make(nvramName(request.name), request.nvram!.length);
        await variables.sink.write(request.nvram!, 0);
        await variables.sink.finish(request.nvram!.length);
      }
      const steps = new Steps();
      try {
        for (const volume of all()) {
          await steps.take(
            () => volume.settle(request.sync),
            () => volume.unsettle(),
          );
        }
        await refresh(libvirt, ground);
        const replaced = await setAside(libvirt, request, steps);
        uuid = await freeUuid(libvirt, request.machine.uuid, replaced);
        const places = volumes.map(({ name, path, kind }) => ({ path, kind, format: formatOf(name)! }));
        const { spec } = fitMachine(request.name, uuid, request.machine, places, request.settings, around);
        await virshWithInput(libvirt, ['define', `--file=${fed}`], writeDomain(spec));
        committed = true;
        if (replaced !== undefined) await removeReplaced(libvirt, replaced, around.carried?.nvram);
      } catch (error) {
        if (!committed) throw await steps.takeBack(toAppError(error));
      }
      for (const volume of all()) await volume.forgetReplaced().catch(() => undefined);
      return [`${libvirt.uri} domain ${request.name}`, ...all().map(({ path }) => path)];
    },
    async rollback() {
      if (committed) return [];
      for (const volume of [...all()]) {
        await volume.sink.abort();
        await volume.remove().catch(() => undefined);
      }
      volumes.length = 0;
      variables = undefined;
      await refresh(libvirt, ground);
      return [];
    },
    start: async (startSignal) => startDomain(libvirt, uuid!, startSignal) satisfies Promise<PowerState>,
  };
}

/** Things done that can be undone, the last one first. */
class Steps {
  readonly #undo: (() => Promise<void>)[] = [];

  async take<T>(work: () => Promise<T>, undo: () => Promise<void>): Promise<T> {
    const done = await work();
    this.#undo.unshift(undo);
    return done;
  }

  /** Resolves to the error to tell. */
  async takeBack(error: AppError): Promise<AppError> {
    const lost: string[] = [];
    for (const undo of this.#undo) await undo().catch((failed) => lost.push(toAppError(failed).message));
    if (lost.length === 0) return error;
    return new AppError(error.kind, `${error.message}; and not all could be put back: ${lost.join(', ')}`, {
      cause: error,
      hint: `look for names with "vmferry" in the pool and among the machines`,
    });
  }
}

/** A file that was renamed is not known to libvirt before; asked for quietly, as another may be asking, too. */
async function refresh({ virsh }: Libvirt, { pool }: Ground): Promise<void> {
  await virsh(['pool-refresh', `--pool=${pool.uuid}`]).catch(() => undefined);
}

/** Gives the machine that has the name another one, until ours is defined. @throws AppError `conflict`. */
async function setAside(
  libvirt: Libvirt,
  { name, force, runId }: DeliveryRequest,
  steps: Steps,
): Promise<ExistingDomain | undefined> {
  const { virsh } = libvirt;
  const known = (await knownDomains(libvirt)).find((domain) => domain.name === name);
  if (known === undefined) return undefined;
  const blockers = (await replacingFindings(libvirt, known)).filter(({ severity }) => severity === 'blocker');
  if (!force || blockers.length > 0) {
    throw new AppError('conflict', blockers[0]?.message ?? `there is a machine "${name}" already`, {
      hint: blockers[0]?.remedy ?? 'choose another name, or allow it to be replaced',
    });
  }
  const existing = await inspectExisting(libvirt, known);
  const rename = (to: string) => virsh(['domrename', `--domain=${known.uuid}`, `--new-name=${to}`]);
  await steps.take(
    () => rename(`${name.slice(0, 100)}.vmferry-${runId}.replaced`),
    async () => void (await rename(name)),
  );
  return existing;
}

/** The definition alone; its firmware variables, too, unless they are ours by now. */
async function removeReplaced(
  { virsh }: Libvirt,
  replaced: ExistingDomain,
  ours: string | undefined,
): Promise<void> {
  const keep = replaced.nvram === undefined || replaced.nvram === ours;
  await virsh(['undefine', `--domain=${replaced.uuid}`, keep ? '--keep-nvram' : '--nvram']);
}

/** The machine's own where no other one has it: `define` would silently replace that. */
async function freeUuid(
  libvirt: Libvirt,
  wanted: string | undefined,
  replaced: ExistingDomain | undefined,
): Promise<string> {
  const uuid = wanted?.toLowerCase();
  const possible = uuid !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
  const taken = new Set((await knownDomains(libvirt)).map((domain) => domain.uuid));
  return possible && !taken.has(uuid) && replaced?.uuid !== uuid ? uuid : crypto.randomUUID();
}
