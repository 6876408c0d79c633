/** Disks in memory, and servers of them, for tests of NBD. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Disk } from '../../../src/io/disk.ts';
import { ExtentList } from '../../../src/io/extents.ts';
import { type NbdDisk, type OpenNbdOptions, openNbd } from '../../../src/io/nbd/client.ts';
import { type NbdServer, type ServeNbdOptions, serveNbd } from '../../../src/io/nbd/server.ts';

/** Pages of 4 KiB that are zeros are known for it. */
export function sparseDisk(bytes: Buffer): Disk {
  const page = 4096;
  const zeros = Buffer.alloc(page);
  const isZeroAt = (at: number) => {
    const here = bytes.subarray(at, at + page);
    return here.equals(zeros.subarray(0, here.length));
  };
  return {
    size: bytes.length,
    sectorSize: 512,
    async read(target, offset) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
    async extents(from, to) {
      const out = new ExtentList(from);
      while (out.end < to) {
        const at = out.end - (out.end % page);
        out.push(isZeroAt(at) ? 'zero' : 'data', Math.min(at + page, to) - out.end);
      }
      return out.list;
    },
    async close() {
      // nothing is held
    },
  };
}

export async function served(options: ServeNbdOptions): Promise<NbdServer> {
  const server = await serveNbd(options);
  onTestFinished(() => server.close());
  return server;
}

export async function opened(options: OpenNbdOptions): Promise<NbdDisk> {
  const disk = await openNbd(options);
  onTestFinished(() => disk.close());
  return disk;
}

/** A server that says what the test wants; the port it listens on. */
export async function fakeServer(talk: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
