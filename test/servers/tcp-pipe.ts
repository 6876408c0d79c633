/** Connections handed on, byte by byte: to another address, or from TCP to a socket of a file. */
import { type AddressInfo, connect, createServer, type NetConnectOpts } from 'node:net';
import { onTestFinished } from 'vitest';

/** @returns the port that it listens on. */
export async function tcpPipe(to: NetConnectOpts, host = '127.0.0.1', port = 0): Promise<number> {
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createServer((socket) => {
    const other = connect(to);
    for (const one of [socket, other]) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        socket.destroy();
        other.destroy();
      });
    }
    socket.pipe(other).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
