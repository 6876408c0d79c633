/** Disks served by NBD to programs of this computer: over a socket in a folder of the user's own, or loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Disk } from '../disk.ts';
import { onAbort } from '../host/abort-watch.ts';
import type { WritableDisk } from '../writable-disk.ts';
import { checkSocketPath, type NbdAddress, nbdUri } from './address.ts';
import { ByteStream } from './byte-stream.ts';
import { transmissionFlag } from './protocol.ts';
import { serveRequests } from './serve-requests.ts';
import { receiveClient } from './server-handshake.ts';

export interface NbdExport {
  /** Empty for a single one. */
  readonly name: string;
  readonly description?: string;
  readonly disk: Disk;
  /** The same disk where it may be written to. */
  readonly writable?: WritableDisk;
}

export interface ServeNbdOptions {
  /** The first one is what a client gets that names none. */
  readonly exports: readonly NbdExport[];
  /** Absent: a socket in a new folder that only this user may enter. */
  readonly listen?: { readonly path: string } | { readonly port: number };
  /** A client that was lost or made no sense, in words. */
  remark?(text: string): void;
}

export interface NbdServer {
  readonly address: NbdAddress;
  /** Of an export, as qemu, libnbd and nbdkit take it. */
  uri(name?: string): string;
  /** Clients at the moment. */
  readonly clients: number;
  /** Cancels what is under way, and leaves no socket behind. The disks stay open. Never throws. */
  close(): Promise<void>;
}

/** How long a client that does not read its answers is waited for at the end, milliseconds. */
const patience = 2000;

/** @throws AppError `conflict` (the socket or port is taken), `auth`, `not-found` (the folder). */
export async function serveNbd({ exports, listen, remark }: ServeNbdOptions): Promise<NbdServer> {
  const ending = new AbortController();
  const sockets = new Map<Socket, Promise<void>>();
  // With half-open allowed an answer still goes out after the client's last word.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const work = serveClient(socket, exports, ending.signal)
      .catch((error) => {
        if (!ending.signal.aborted) remark?.(toAppError(error).message);
      })
      .finally(() => {
        socket.destroySoon();
        sockets.delete(socket);
      });
    sockets.set(socket, work);
  });
  const folder = listen === undefined ? await mkdtemp(join(tmpdir(), 'vmferry-nbd-')) : undefined;
  const path = folder === undefined ? undefined : join(folder, 'socket');
  const place = listen ?? { path: path! };
  try {
    if ('path' in place) checkSocketPath(place.path);
    await listening(server, place);
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const bound = server.address();
  const address: NbdAddress =
    'path' in place
      ? { path: place.path }
      : { host: loopback, port: typeof bound === 'object' ? bound!.port : 0 };
  let closed: Promise<void> | undefined;
  return {
    address,
    uri: (name = exports[0]?.name ?? '') => nbdUri(address, name),
    get clients() {
      return sockets.size;
    },
    close() {
      closed ??= (async () => {
        const ended = new Promise((resolve) => server.close(resolve));
        ending.abort(new AppError('cancelled', 'the server is ending'));
        const late = setTimeout(() => {
          for (const socket of sockets.keys()) socket.destroy();
        }, patience);
        await Promise.all([...sockets.values(), ended]);
        clearTimeout(late);
        if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      })();
      return closed;
    },
  };
}

const loopback = '127.0.0.1';

/** The socket is nobody else's, whatever its folder. */
function listening(
  server: ReturnType<typeof createServer>,
  place: { path: string } | { port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, place)));
    const before = process.umask(0o177);
    try {
      // It is bound before this returns.
      if ('path' in place) server.listen(place.path, resolve);
      else server.listen(place.port, loopback, resolve);
    } finally {
      process.umask(before);
    }
  });
}

function listenError(error: NodeJS.ErrnoException, place: { path: string } | { port: number }): AppError {
  const where = 'path' in place ? place.path : `port ${place.port}`;
  if (error.code === 'EADDRINUSE') {
    return new AppError(
      'conflict',
      'path' in place ? 'there is something of this name' : 'the port is in use',
      {
        where,
        hint:
          'path' in place ? 'remove it if no server uses it, or name another' : 'name another, or 0 for any',
        cause: error,
      },
    );
  }
  const { kind, message, hint } = toAppError(error);
  return new AppError(kind, message, { where, cause: error, ...(hint === undefined ? {} : { hint }) });
}

async function serveClient(
  socket: Socket,
  exports: readonly NbdExport[],
  ending: AbortSignal,
): Promise<void> {
  const stream = new ByteStream(socket, 'a client of the NBD server');
  const unwatch = onAbort(ending, () => stream.fail(new AppError('cancelled', 'the server is ending')));
  try {
    const chosen = await receiveClient(stream, exports, flagsOf);
    if (chosen !== undefined) await serveRequests(stream, chosen, ending);
  } finally {
    unwatch();
  }
}

/** Several connections see the same disk: what one has written the others read. */
function flagsOf({ writable }: NbdExport): number {
  const { hasFlags, readOnly, flush, fua, trim, writeZeroes, dontFragment, multiConn } = transmissionFlag;
  const always = hasFlags | dontFragment | multiConn;
  return writable === undefined ? always | readOnly : always | flush | fua | trim | writeZeroes;
}
