/** A file or block device at the far end as a source, read by helpers; a lost connection is made again. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import { type ByteSource, checkRange } from '../../byte-source.ts';
import { type Extent, ExtentList } from '../../extents.ts';
import { throwIfAborted } from '../../in-order.ts';
import type { Tries } from '../../retrying.ts';
import { untilAborted } from '../abort-watch.ts';
import { readAhead } from '../read-ahead.ts';
import type { Agent, Squeezed } from './agent.ts';
import type { Lanes } from './lanes.ts';
import { mostExtents, op } from './protocol.ts';
import { fileKinds, openWith, RemoteFile } from './remote-file.ts';

/** What one helper is asked for at once. */
const pieceBytes = MiB;
/** Where less than this delays an answer, the reads of a copy under way are enough. */
const nearMs = 2;
const windowPerMs = 0.64 * MiB;
const smallestWindow = 8 * MiB;
const largestWindow = 64 * MiB;
const bytesPerLane = 4 * MiB;
/** So much in order, and it is a copy: further connections are worth their making. */
const copyBytes = 2 * MiB;

/** @throws AppError `not-found`, `auth`, `unsupported` for what is no disk, `unreachable`. */
export async function agentSource(
  lanes: Lanes,
  agent: Agent,
  path: string,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const where = `${lanes.where}:${path}`;
  // Before it is opened: opening may act on what is no disk.
  const opened = await openWith(agent, path, { op: op.open, argument: 0 }, signal).catch((error) => {
    throw placed(error, where);
  });
  const file = new RemoteFile(path, where, agent, opened, false);
  const { kind, size, modifiedAt } = opened.facts;
  if (!['file', 'device'].includes(fileKinds[kind] ?? 'other')) {
    await file.close();
    throw fileKinds[kind] === 'folder'
      ? new AppError('unsupported', 'this is a folder, not an image', { where, hint: 'name a file in it' })
      : new AppError('unsupported', 'neither a file nor a block device', { where });
  }
  const reader = new Reader(lanes, file, where);
  const source: ByteSource = {
    name: path,
    size,
    access: 'random',
    modifiedAt,
    ...(fileKinds[kind] === 'device' ? { device: true as const } : {}),
    async read(target, offset, cancel) {
      checkRange(source, offset, target.length);
      await reader.read(target, offset, cancel);
    },
    async extents(from, to, cancel) {
      checkRange(source, from, to - from);
      return reader.extents(from, to, cancel);
    },
    async sums(offset, length, cancel) {
      checkRange(source, offset, length);
      return reader.sums(offset, length, cancel);
    },
    close: () => file.close(),
  };
  return readAhead(source, {
    pieceBytes,
    window: () => {
      const { roundTripMs } = lanes;
      // Several connections have something to do only when it is asked for.
      if (roundTripMs < nearMs) return lanes.count > 1 ? lanes.count * bytesPerLane : 0;
      return Math.min(largestWindow, Math.max(smallestWindow, roundTripMs * windowPerMs));
    },
    onSequence: (bytes) => {
      if (bytes >= copyBytes) lanes.widen();
    },
  });
}

class Reader {
  readonly #lanes: Lanes;
  readonly #file: RemoteFile;
  readonly #where: string;

  constructor(lanes: Lanes, file: RemoteFile, where: string) {
    this.#lanes = lanes;
    this.#file = file;
    this.#where = where;
  }

  async read(target: Uint8Array, offset: number, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (target.length <= pieceBytes) return this.#piece(target, offset, signal);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < target.length; at += pieceBytes) {
      parts.push(this.#piece(target.subarray(at, at + pieceBytes), offset + at, signal));
    }
    // After an error no part still writes to the target.
    const ended = await Promise.allSettled(parts);
    const failed = ended.find((p): p is PromiseRejectedResult => p.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #piece(target: Uint8Array, offset: number, signal: AbortSignal | undefined): Promise<void> {
    if (target.length === 0) return Promise.resolve();
    const { compression } = this.#lanes;
    // What came before the connection was lost is not asked for again.
    let done = 0;
    return this.#try(target.length, signal, async (agent, file, tries) => {
      const rest = target.subarray(done);
      if (rest.length === 0) return;
      const { deflate, end } = compression.begin(rest.length, this.#lanes.count);
      let squeezed: Squeezed | undefined;
      let came = 0;
      const onBytes = (count: number) => {
        came += count;
      };
      try {
        const how = { signal, deflate: deflate && agent.deflates, onBytes };
        squeezed = await agent.read(file, rest, offset + done, how);
      } catch (error) {
        done += came;
        if (came > 0) tries.progress();
        throw error;
      } finally {
        end(squeezed);
      }
    });
  }

  /** Again with another helper, or over a new connection, when it is lost. */
  async #try<T>(
    bytes: number,
    signal: AbortSignal | undefined,
    work: (agent: Agent, file: number, tries: Tries) => Promise<T>,
  ): Promise<T> {
    const tries = this.#lanes.tries();
    for (;;) {
      try {
        return await this.#lanes.using(bytes, signal, async (agent) =>
          work(agent, await untilAborted(this.#file.on(agent), signal), tries),
        );
      } catch (error) {
        await tries.failed(placed(error, this.#where), signal);
      }
    }
  }

  async extents(from: number, to: number, signal: AbortSignal | undefined): Promise<Extent[]> {
    const out = new ExtentList(from);
    while (out.end < to) {
      const start = out.end;
      const { value, payload } = await this.#try(1, signal, (agent, file) =>
        agent.ask({ op: op.extents, file, offset: start, argument: to }, { signal, most: mostExtents * 16 }),
      );
      for (let at = 0; at + 16 <= payload.length; at += 16) {
        const first = Number(payload.readBigUInt64BE(at));
        const last = Number(payload.readBigUInt64BE(at + 8));
        if (first < out.end || last <= first || last > to) throw this.#nonsense();
        out.push('zero', first - out.end);
        out.push('data', last - first);
      }
      if (value < out.end || value > to || value <= start) throw this.#nonsense();
      out.push('zero', value - out.end);
    }
    return out.list;
  }

  async sums(offset: number, length: number, signal: AbortSignal | undefined): Promise<Buffer[] | undefined> {
    const count = Math.ceil(length / MiB);
    const { payload } = await this.#try(length, signal, (agent, file) =>
      agent.ask({ op: op.sums, file, offset, argument: length }, { signal, most: count * 32 }),
    );
    if (payload.length !== count * 32) return undefined;
    return Array.from({ length: count }, (_, i) => payload.subarray(i * 32, (i + 1) * 32));
  }

  #nonsense(): AppError {
    return new AppError('io', 'the helper there tells extents that can not be', { where: this.#where });
  }
}

/** The same error with the file in it. */
export function placed(error: unknown, where: string): unknown {
  if (!(error instanceof AppError) || error.kind === 'unreachable' || error.kind === 'cancelled')
    return error;
  return new AppError(error.kind, error.message, {
    where,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}
