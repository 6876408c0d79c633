/** A TCP proxy on loopback that counts what crosses, and makes the way long, narrow or broken. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface ProxyOptions {
  /** Each way, milliseconds. */
  readonly delayMs?: number;
  /** Bytes of one connection that may be on their way at once, as a TCP window. Default 4 MiB. */
  readonly windowBytes?: number;
  /** Of all connections together, each way. */
  readonly bytesPerSecond?: number;
}

export interface CountingProxy {
  readonly port: number;
  /** Bytes that came from the server, and that went to it. */
  readonly received: number;
  readonly sent: number;
  readonly connections: number;
  /** Breaks all connections; new ones are taken. */
  cut(): void;
  /** Nothing crosses any more, and nobody is told. */
  freeze(): void;
  close(): Promise<void>;
}

export async function startProxy(port: number, options: ProxyOptions = {}): Promise<CountingProxy> {
  const { delayMs = 0, windowBytes = 4 * 2 ** 20, bytesPerSecond } = options;
  const count = { received: 0, sent: 0 };
  const open = new Set<Socket>();
  let frozen = false;
  const lines = { received: 0, sent: 0 };

  const carry = (from: Socket, to: Socket, way: 'received' | 'sent') => {
    let onTheWay = 0;
    const queue: { chunk: Buffer; due: number }[] = [];
    // One timer at a time: several may come in another order.
    const deliver = () => {
      const now = performance.now();
      while (queue.length > 0 && queue[0]!.due <= now + 1) {
        const { chunk } = queue.shift()!;
        onTheWay -= chunk.length;
        if (!to.destroyed) to.write(chunk);
      }
      if (onTheWay <= windowBytes / 2) from.resume();
      if (queue.length > 0) setTimeout(deliver, queue[0]!.due - now);
    };
    from.on('data', (chunk: Buffer) => {
      if (frozen) return;
      count[way] += chunk.length;
      if (delayMs === 0 && bytesPerSecond === undefined) {
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
        return;
      }
      const now = performance.now();
      lines[way] = Math.max(lines[way], now) + (chunk.length / (bytesPerSecond ?? 1e12)) * 1000;
      onTheWay += chunk.length;
      // The sender knows of it only after the way back.
      if (onTheWay > windowBytes / 2) from.pause();
      queue.push({ chunk, due: lines[way] + delayMs });
      if (queue.length === 1) setTimeout(deliver, queue[0]!.due - now);
    });
  };
  const server = createServer({ noDelay: true }, (client) => {
    const far = connect({ host: '127.0.0.1', port, noDelay: true });
    for (const [socket, other] of [
      [client, far],
      [far, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('end', () => setTimeout(() => other.end(), delayMs + 1));
      socket.on('close', () => {
        open.delete(socket);
        setTimeout(() => other.destroy(), delayMs + 1);
      });
    }
    carry(client, far, 'sent');
    carry(far, client, 'received');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    get received() {
      return count.received;
    },
    get sent() {
      return count.sent;
    },
    get connections() {
      return open.size / 2;
    },
    cut() {
      for (const socket of open) socket.destroy();
    },
    freeze() {
      frozen = true;
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
