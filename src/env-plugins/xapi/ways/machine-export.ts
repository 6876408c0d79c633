/**
 * The disks of a machine out of the export of the whole: /export ("VM import/export" of the XenAPI), an XVA as a stream.
 * They are read one after the other from one transfer; a disk that has gone by, or is wanted beside another, gets one
 * of its own.
 */
import type { ByteSource } from '../../../io/byte-source.ts';
import type { HttpsClient } from '../../../io/https/client.ts';
import { AppError } from '../../../model/errors.ts';
import { countIn, textIn } from '../../../packages/xva/records.ts';
import { diskSource } from '../../../packages/xva/stream-xva.ts';
import { XvaStream } from '../../../packages/xva/xva-stream.ts';
import type { XapiSession } from '../session.ts';
import { beginExport, type Transfer } from './transfer.ts';

export interface ExportedDisk {
  /** The machine that is off, or the snapshot. */
  readonly vm: string;
  readonly name: string;
  readonly size: number;
  /** UUID of its VDI: by that it is known in the export. */
  readonly uuid: string;
  /** A host that the storage of all disks is attached to. */
  readonly client: HttpsClient;
  readonly step: string;
}

interface Running {
  readonly transfer: Transfer;
  readonly stream: XvaStream;
  /** Directories of the disks in it, by their UUIDs. */
  readonly directories: ReadonlyMap<
    string,
    { readonly directory: string; readonly size: number | undefined }
  >;
}

interface Shared {
  readonly first: Promise<Running>;
  busy: boolean;
  /** Disks that are open. */
  users: number;
}

export class MachineExports {
  readonly #session: XapiSession;
  /** By the machine's reference. */
  readonly #shared = new Map<string, Shared>();

  constructor(session: XapiSession) {
    this.#session = session;
  }

  /** @throws AppError. */
  async open(disk: ExportedDisk, signal: AbortSignal): Promise<ByteSource> {
    const found = this.#shared.get(disk.vm);
    const shared = found ?? { first: begin(this.#session, disk, signal), busy: false, users: 0 };
    if (found === undefined) this.#shared.set(disk.vm, shared);
    shared.users++;
    const leave = async () => {
      if (--shared.users > 0) return;
      if (this.#shared.get(disk.vm) === shared) this.#shared.delete(disk.vm);
      await shared.first.then(({ transfer }) => transfer.close()).catch(() => undefined);
    };
    try {
      const directory = placeOf(await shared.first, disk);
      return this.#lazily(shared, disk, directory, leave, signal);
    } catch (error) {
      await leave();
      throw error;
    }
  }

  /** Begun at its first read: the disks before it come from the same stream. */
  #lazily(
    shared: Shared,
    disk: ExportedDisk,
    directory: string,
    leave: () => Promise<void>,
    signal: AbortSignal,
  ): ByteSource {
    const { name, size } = disk;
    let begun: Promise<Begun> | undefined;
    let closed: Promise<void> | undefined;
    let reading = 0;
    return {
      name,
      size,
      access: 'forward',
      read: async (target, offset, abort) => {
        begun ??= this.#begin(shared, disk, directory, signal);
        reading++;
        try {
          await (await begun).source.read(target, offset, abort);
        } finally {
          reading--;
        }
      },
      close() {
        closed ??= (async () => {
          const { source, transfer } = (await begun?.catch(() => undefined)) ?? {};
          // What is still being waited for ends with the transfer.
          if (reading > 0) await transfer?.close();
          await source?.close();
          await leave();
        })();
        return closed;
      },
    };
  }

  async #begin(shared: Shared, disk: ExportedDisk, directory: string, signal: AbortSignal): Promise<Begun> {
    const first = await shared.first;
    const isOwn = shared.busy || first.stream.hasPassed(directory);
    if (!isOwn) shared.busy = true;
    const { stream, transfer } = isOwn ? await begin(this.#session, disk, signal) : first;
    const pieces = stream.disk({ directory, size: disk.size });
    async function* all() {
      let left = disk.size;
      for await (const piece of pieces) {
        left -= piece.length;
        // From here on another disk may go on: nobody asks for what comes after the last piece.
        if (left === 0 && !isOwn) shared.busy = false;
        yield piece;
      }
    }
    const close = async () => {
      await pieces.return(undefined);
      if (isOwn) await transfer.close();
    };
    try {
      return { source: await diskSource(all(), disk.name, disk.size, close), transfer };
    } catch (error) {
      await close();
      throw error;
    }
  }
}

interface Begun {
  readonly source: ByteSource;
  readonly transfer: Transfer;
}

async function begin(
  session: XapiSession,
  { vm, client, step }: ExportedDisk,
  signal: AbortSignal,
): Promise<Running> {
  const transfer = await beginExport(session, { path: '/export', query: { ref: vm }, client, step }, signal);
  try {
    const stream = new XvaStream(piecesOf(transfer), client.name, signal);
    const { objects } = await stream.description();
    const directories = objects.flatMap(({ kind, id, record }) => {
      const uuid = textIn(record, 'uuid');
      const place = { directory: id, size: countIn(record, 'virtual_size') };
      return kind === 'VDI' && uuid !== undefined ? [[uuid, place] as const] : [];
    });
    return { transfer, stream, directories: new Map(directories) };
  } catch (error) {
    await transfer.close();
    throw error;
  }
}

/** Where it ends too early, the server's own words are worth more than that. */
async function* piecesOf(transfer: Transfer): AsyncGenerator<Uint8Array> {
  for (let next = await transfer.next(); next !== undefined; next = await transfer.next()) yield next;
  const reason = await transfer.reason();
  if (reason !== undefined) throw reason;
}

/** @throws AppError `corrupt`. */
function placeOf({ directories }: Running, { uuid, size, name }: ExportedDisk): string {
  const place = directories.get(uuid);
  if (place === undefined) throw new AppError('corrupt', 'the disk is not in the export', { where: name });
  if (place.size !== size)
    throw new AppError(
      'corrupt',
      `the export has a disk of ${place.size} bytes, the server tells of ${size}`,
      {
        where: name,
      },
    );
  return place.directory;
}
