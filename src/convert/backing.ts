/** An image that the new one is laid over: a file on this computer that holds most of the disk already. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { Backing, OpenImage } from '../codecs/codec.ts';
import { codecById, codecs } from '../codecs/registry.ts';
import { expandHome } from '../env-plugins/local/expand-home.ts';
import type { DeliveryRequest, OpenDisk } from '../env-plugins/plugin.ts';
import { detectWrapper } from '../io/wrappers/wrapper.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { filesOf, openImage } from './open-image.ts';
import { sourceOf } from './open-machine.ts';
import type { Connector } from './sessions.ts';

export interface OpenBacking extends Backing {
  readonly disk: OpenImage;
  close(): Promise<void>;
}

/** @throws AppError `usage` for a plan that can't be laid over another image. */
export function refuseBacking({ destination, machine }: Plan): void {
  const { backing, format, container } = destination;
  if (backing === undefined) return;
  const refuse = (message: string, hint: string) => new AppError('usage', message, { where: backing, hint });
  if (container !== 'disks' || codecById(format).encoder?.backing !== true) {
    const can = codecs.filter((codec) => codec.encoder?.backing).map((codec) => codec.id);
    const what = container === 'disks' ? format : `an ${container.toUpperCase()}`;
    throw refuse(`${what} is not written over a backing image`, `choose ${can.join(', ')}, or leave it out`);
  }
  if (destination.environment !== 'local')
    throw refuse('a backing image is possible in a folder here only', 'choose a folder, or leave it out');
  if (machine.disks.length > 1) {
    const message = `one disk can be laid over a backing image, and this machine has ${machine.disks.length}`;
    throw refuse(message, 'leave the other disks out, and convert them apart');
  }
}

/**
 * The plan's backing image, open; undefined where there is none.
 * @throws AppError `not-found`, `unsupported`, and whatever opening meets.
 */
export async function openBacking(
  plan: Plan,
  connect: Connector,
  signal: AbortSignal,
): Promise<OpenBacking | undefined> {
  const { backing, settings } = plan.destination;
  if (backing === undefined) return undefined;
  const path = expandHome(backing);
  const session = await connect({ environment: 'local', settings: {} }, signal);
  try {
    const source = sourceOf(session);
    const machine = await source.inspect(path, signal);
    const opened = await source.open(machine, machine.disks[0]?.id ?? '', signal);
    const disk = await openPlain(opened, path, plan.source.follow, session.secret?.bind(session), signal);
    return {
      disk,
      name: await nameFrom(expandHome(settings.folder ?? '.'), path),
      format: disk.info.format,
      async close() {
        await disk.close();
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** Only what a reader of the new image finds under this name as well: no member of a package, nothing packed. */
async function openPlain(
  opened: OpenDisk,
  path: string,
  follow: boolean,
  secret: ((what: string) => Promise<string>) | undefined,
  signal: AbortSignal,
): Promise<OpenImage> {
  const { source } = opened;
  try {
    const wrapper = opened.gzip ? 'gzip' : await detectWrapper(source, signal);
    if (wrapper !== undefined || source.access === 'forward' || source.name !== path) {
      const what = wrapper === undefined ? 'inside another file' : `packed with ${wrapper}`;
      throw new AppError('unsupported', `the backing image is ${what}: it can't be read from there`, {
        where: path,
        hint: 'convert it to a file of its own first',
      });
    }
  } catch (error) {
    await source.close();
    throw error;
  }
  return openImage(opened, { signal, follow, secret });
}

/** The path as seen from the folder, which may still have to be made; links on the way to either are resolved. */
async function nameFrom(folder: string, path: string): Promise<string> {
  const place = await realpath(dirname(path));
  return relative(await realFolder(folder), join(place, basename(path)));
}

async function realFolder(folder: string): Promise<string> {
  return realpath(folder).catch(async (error) => {
    if (toAppError(error).kind !== 'not-found' || dirname(folder) === folder) throw toAppError(error);
    return join(await realFolder(dirname(folder)), basename(folder));
  });
}

/** The request with the backing image in it, whose files the delivery never replaces. */
export function withBacking<T extends DeliveryRequest>(request: T, backing: OpenBacking | undefined) {
  if (backing === undefined) return request;
  return { ...request, backing, reading: [...(request.reading ?? []), ...filesOf(backing.disk.info)] };
}

/** What a plan's review says where the backing image can't be opened. */
export function backingUnreadable(path: string, error: unknown): Finding {
  const { kind, message, hint, where } = toAppError(error);
  if (kind === 'cancelled') throw error;
  return {
    rule: 'backing.unreadable',
    severity: 'blocker',
    message: `the backing image ${path} can't be opened: ${message}`,
    ...(where === undefined || where === path ? {} : { evidence: where }),
    ...(hint === undefined ? {} : { remedy: hint }),
  };
}

export function backingFindings(backing: OpenBacking | undefined, size: number): Finding[] {
  const below = backing?.disk.size ?? size;
  if (backing === undefined || below === size) return [];
  const rest = below < size ? 'what is behind its end is stored in full' : 'its end is left out';
  return [
    {
      rule: 'backing.size-differs',
      severity: 'warning',
      message: `the backing image has ${formatBytes(below)}, the disk ${formatBytes(size)}: ${rest}`,
      evidence: `${below} and ${size} bytes`,
      remedy: 'make sure that it is the image this disk was made from',
    },
  ];
}
