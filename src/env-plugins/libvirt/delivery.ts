/** One machine on its way into a libvirt: volumes first, its definition last. */
import { posix } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { PowerState } from '../../model/machine.ts';
import { hostMoves, putAllBack, removeReplaced, takeBack } from '../placed-files.ts';
import type { Delivery, DeliveryRequest } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { DomainChange } from './domain-change.ts';
import { writeDomain } from './domain-writer.ts';
import { type ExistingDomain, knownDomains } from './existing-domain.ts';
import { fitMachine } from './fit-machine.ts';
import { startDomain } from './start-domain.ts';
import { type Ground, nvramName, surroundingsOf, volumeObstacle } from './survey.ts';
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
  const moves = hostMoves(libvirt.host);
  const volumes: NewVolume[] = [];
  const sinks: ByteSink[] = [];
  /** Those of its firmware are no disk of it. */
  let variables: NewVolume | undefined;
  const domains = new DomainChange(libvirt);
  if (request.resume === true) await domains.putBackInterrupted(request);
  let uuid: string | undefined;
  let committed = false;
  let stays: Leftover[] = [];

  const opened = async (volume: NewVolume): Promise<ByteSink> => {
    volumes.push(volume);
    try {
      const sink = await volume.open();
      sinks.push(sink);
      throwIfAborted(signal);
      return sink;
    } catch (error) {
      // Somebody else's, or not made.
      if (['conflict', 'auth', 'unsupported'].includes(toAppError(error).kind))
        volumes.splice(volumes.indexOf(volume), 1);
      throw error;
    }
  };
  const make = async (name: string, size: number | undefined, begun = false): Promise<ByteSink> => {
    const found = await volumeObstacle(libvirt, ground, request, name);
    if (found !== undefined) {
      throw new AppError('conflict', found.message, found.remedy === undefined ? {} : { hint: found.remedy });
    }
    const wanted = { name, size, runId, signal, begun, resume: request.resume === true };
    const { folder, pool } = ground;
    if (folder === undefined) return opened(uploadedVolume(libvirt, pool, wanted));
    return opened(directVolume(libvirt, folder, wanted)).catch((error) => {
      // Commands may do what files may not: a host without SFTP, a login by sudo.
      if (begun || !['auth', 'unsupported'].includes(toAppError(error).kind)) throw error;
      return opened(uploadedVolume(libvirt, pool, wanted));
    });
  };
  const files = () => volumes.flatMap(({ file }) => file ?? []);

  return {
    async sink({ name, size, begun }) {
      const bad = impossibleName(name);
      if (bad !== undefined)
        throw new AppError('usage', bad, { hint: 'choose another name, and qcow2 or raw' });
      return make(name, size, begun);
    },
    async commit() {
      const around = await surroundingsOf(libvirt, request, ground);
      if (around.carried !== undefined) {
        const sink = await make(nvramName(request.name), request.nvram!.length);
        variables = volumes.at(-1);
        await sink.write(request.nvram!, 0);
        await sink.finish(request.nvram!.length);
      }
      try {
        for (const volume of volumes) await volume.settle(request.sync);
        await refresh(libvirt, ground);
        const replaced = await domains.setAside(request);
        throwIfAborted(signal);
        uuid = await freeUuid(libvirt, request.machine.uuid, replaced);
        const places = volumes
          .filter((volume) => volume !== variables)
          .map(({ name, path, kind }) => ({ path, kind, format: formatOf(name)! }));
        const { spec } = fitMachine(request.name, uuid, request.machine, places, request.settings, around);
        await domains.define({ uuid, name: request.name }, writeDomain(spec));
      } catch (error) {
        await domains.takeBack();
        await putAllBack(moves, files());
        throw error;
      }
      committed = true;
      stays = [
        ...(await domains.forgetReplaced(around.carried?.nvram)),
        ...(await removeReplaced(moves, files())),
      ];
      return [`${libvirt.uri} domain ${request.name}`, ...volumes.map(({ path }) => path)];
    },
    // What libvirt writes itself comes as one stream.
    ...(ground.folder === undefined
      ? {}
      : {
          async suspend() {
            for (const sink of sinks) await sink.abort();
            for (const { remove } of volumes) await remove?.();
          },
        }),
    async rollback() {
      if (committed) return [];
      for (const sink of sinks) await sink.abort();
      const left = [...(await domains.takeBack()), ...(await takeBack(moves, files(), []))];
      for (const { remove } of volumes) left.push(...((await remove?.()) ?? []));
      await refresh(libvirt, ground);
      return left;
    },
    remains: () => stays,
    start: async (startSignal) => startDomain(libvirt, uuid!, startSignal) satisfies Promise<PowerState>,
  };
}

/** A file that was renamed is not known to libvirt before; asked for quietly, as another may be asking, too. */
async function refresh({ virsh }: Libvirt, { pool }: Ground): Promise<void> {
  await virsh(['pool-refresh', `--pool=${pool.uuid}`]).catch(() => undefined);
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
