/**
 * A TCP proxy on loopback before any server: it counts what crosses, and makes the way long, narrow, silent or broken.
 * What is counted is what the senders sent: less what the transfer needs, it is what was sent twice.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** `received`: from the server. */
export type Way = 'received' | 'sent';

export interface BadLinkOptions {
  /** Each way, milliseconds. */
  readonly delayMs?: number;
  /** Bytes of one connection that may be on their way at once, as a TCP window. Default 4 MiB. */
  readonly windowBytes?: number;
  /** Of all connections together, each way. */
  readonly bytesPerSecond?: number;
  /** Of each connection, each way. */
  readonly bytesPerSecondEach?: number;
}

export type Fault =
  /** Both ends are closed, with what is on its way lost. */
  | 'cut'
  /** RST to both. */
  | 'reset'
  /** What is sent is taken, in both directions, and goes nowhere; the connection stays. */
  | 'stall'
  /** The receiver is given all that came before, and then a proper end. */
  | 'end'
  /** The next byte has all its bits turned. */
  | 'flip';

export interface BadLink {
  readonly port: number;
  readonly received: number;
  readonly sent: number;
  /** Open now. */
  readonly connections: number;
  /** Ever made. */
  readonly made: number;
  /** Faults that have happened on `after`'s word. */
  readonly faults: number;
  /** To all that are open; new ones are taken, and are good. */
  cut(): void;
  reset(): void;
  stall(way?: Way): void;
  /** Nothing crosses any more on any connection, also not on new ones, and nobody is told. */
  freeze(): void;
  /**
   * To the connection that carries the byte that comes after so many more, each `bytes` again for `times` times.
   * Default: once, from the server.
   */
  after(bytes: number, fault: Fault, options?: { readonly way?: Way; readonly times?: number }): void;
  throttle(rate: Pick<BadLinkOptions, 'bytesPerSecond' | 'bytesPerSecondEach'>): void;
  close(): Promise<void>;
}

interface Plan {
  readonly every: number;
  readonly fault: Fault;
  left: number;
  times: number;
}

interface Line {
  readonly client: Socket;
  readonly far: Socket;
  readonly silent: Set<Way>;
}

export async function badLink(port: number, options: BadLinkOptions = {}): Promise<BadLink> {
  const link = new Link(port, options);
  await link.listen();
  return link;
}

class Link implements BadLink {
  port = 0;
  received = 0;
  sent = 0;
  made = 0;
  faults = 0;
  readonly #to: number;
  #options: BadLinkOptions;
  readonly #lines = new Set<Line>();
  readonly #plans: Record<Way, Plan[]> = { received: [], sent: [] };
  /** When the line that all share is free again. */
  readonly #busyUntil = { received: 0, sent: 0 };
  #frozen = false;
  readonly #server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#take(client));

  constructor(to: number, options: BadLinkOptions) {
    this.#to = to;
    this.#options = options;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as { port: number }).port;
  }

  get connections(): number {
    return this.#lines.size;
  }

  #take(client: Socket): void {
    this.made++;
    const far = connect({ host: '127.0.0.1', port: this.#to, noDelay: true, allowHalfOpen: true });
    const line: Line = { client, far, silent: new Set() };
    this.#lines.add(line);
    const { delayMs = 0 } = this.#options;
    for (const [socket, other] of [
      [client, far],
      [far, client],
    ] as const) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        setTimeout(() => {
          other.destroy();
          this.#lines.delete(line);
        }, delayMs + 1);
      });
    }
    this.#carry(line, client, far, 'sent');
    this.#carry(line, far, client, 'received');
  }

  /** All of one direction of one connection. */
  #carry(line: Line, from: Socket, to: Socket, way: Way): void {
    const queue: { chunk: Buffer; due: number }[] = [];
    let onTheWay = 0;
    let busyUntil = 0;
    let ended = false;
    let timer: NodeJS.Timeout | undefined;
    const { delayMs = 0, windowBytes = 4 * 2 ** 20 } = this.#options;
    // One timer at a time: several may come in another order.
    const deliver = () => {
      timer = undefined;
      const now = performance.now();
      while (queue.length > 0 && queue[0]!.due <= now + 1) {
        const { chunk } = queue.shift()!;
        onTheWay -= chunk.length;
        if (to.writable && !line.silent.has(way)) to.write(chunk);
      }
      if (queue.length > 0) timer = setTimeout(deliver, queue[0]!.due - now);
      else if (ended && to.writable) to.end();
      if (onTheWay <= windowBytes / 2 && to.writableLength <= windowBytes) from.resume();
    };
    to.on('drain', () => {
      if (onTheWay <= windowBytes / 2) from.resume();
    });
    const pass = (chunk: Buffer) => {
      const { bytesPerSecond, bytesPerSecondEach } = this.#options;
      const now = performance.now();
      if (
        delayMs === 0 &&
        bytesPerSecond === undefined &&
        bytesPerSecondEach === undefined &&
        timer === undefined
      ) {
        if (to.writable && !to.write(chunk)) from.pause();
        return;
      }
      const shared = Math.max(this.#busyUntil[way], now) + (chunk.length / (bytesPerSecond ?? 1e12)) * 1000;
      busyUntil = Math.max(busyUntil, now) + (chunk.length / (bytesPerSecondEach ?? 1e12)) * 1000;
      this.#busyUntil[way] = shared;
      onTheWay += chunk.length;
      // The sender knows of it only after the way back.
      if (onTheWay > windowBytes / 2) from.pause();
      queue.push({ chunk, due: Math.max(shared, busyUntil) + delayMs });
      timer ??= setTimeout(deliver, queue[0]!.due - now);
    };
    from.on('data', (chunk: Buffer) => {
      this[way] += chunk.length;
      const bad = () => this.#frozen || line.silent.has(way) || from.destroyed || ended;
      for (let at = 0; at < chunk.length && !bad(); ) {
        const { length, fault } = this.#next(way, chunk.length - at);
        const part = chunk.subarray(at, at + length);
        at += length;
        if (fault === 'flip') part[length - 1]! ^= 0xff;
        if (length > 0) pass(part);
        if (fault === 'end') {
          ended = true;
          if (queue.length === 0) to.end();
        } else if (fault !== undefined && fault !== 'flip') this.#do(line, fault);
      }
    });
    from.on('end', () => {
      if (this.#frozen || line.silent.has(way) || ended) return;
      ended = true;
      if (queue.length === 0) to.end();
    });
  }

  /** How much of what came may pass, and what then happens. */
  #next(way: Way, most: number): { length: number; fault?: Fault } {
    const plans = this.#plans[way];
    const [first] = plans.filter((plan) => plan.times > 0).sort((a, b) => a.left - b.left);
    // What is flipped is the byte behind those that pass well.
    const reach =
      first === undefined ? Number.POSITIVE_INFINITY : first.left + (first.fault === 'flip' ? 1 : 0);
    const length = Math.min(most, reach);
    for (const plan of plans) plan.left -= length;
    if (first === undefined || length < reach) return { length };
    first.left = first.every;
    first.times--;
    this.faults++;
    return { length, fault: first.fault };
  }

  #do({ client, far, silent }: Line, fault: 'cut' | 'reset' | 'stall'): void {
    if (fault !== 'cut') silent.add('sent').add('received');
    if (fault === 'stall') return;
    for (const socket of [client, far]) {
      if (fault === 'cut') socket.destroy();
      // In the same turn as a write Node shows it to the other side as a proper end.
      else setTimeout(() => socket.resetAndDestroy(), 1);
    }
  }

  after(
    bytes: number,
    fault: Fault,
    { way = 'received', times = 1 }: { way?: Way; times?: number } = {},
  ): void {
    this.#plans[way].push({ every: bytes, fault, left: bytes, times });
  }

  cut(): void {
    for (const line of this.#lines) this.#do(line, 'cut');
  }

  reset(): void {
    for (const line of this.#lines) this.#do(line, 'reset');
  }

  stall(way?: Way): void {
    for (const { silent } of this.#lines)
      for (const one of way === undefined ? (['sent', 'received'] as const) : [way]) silent.add(one);
  }

  freeze(): void {
    this.#frozen = true;
  }

  throttle(rate: Pick<BadLinkOptions, 'bytesPerSecond' | 'bytesPerSecondEach'>): void {
    const { bytesPerSecond: _, bytesPerSecondEach: __, ...rest } = this.#options;
    this.#options = { ...rest, ...rate };
  }

  async close(): Promise<void> {
    for (const { client, far } of this.#lines) {
      client.destroy();
      far.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }
}
