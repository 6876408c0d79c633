/** A new file at the far end, written by helpers: many writes under way on all connections, gaps left as holes. */
import { MiB } from '../../../model/units.ts';
import type { ByteSink } from '../../byte-source.ts';
import { throwIfAborted } from '../../in-order.ts';
import { untilAborted } from '../abort-watch.ts';
import type { Agent } from './agent.ts';
import { placed } from './agent-source.ts';
import type { Lanes } from './lanes.ts';
import { op } from './protocol.ts';
import { openWith, RemoteFile } from './remote-file.ts';

const pieceBytes = 512 * 1024;
/** Copies of what is on its way. */
const mostInFlight = 32 * MiB;
const copyBytes = 8 * MiB;

export interface SinkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly mode?: number | undefined;
  /** Flush to the medium in `finish`. */
  readonly sync?: boolean | undefined;
  /** It is there already, and what it holds stays. */
  readonly resume?: boolean | undefined;
}

const toWrite = 1;

/** @throws AppError `conflict` when it exists, `auth`, `not-found` (no such folder), `unreachable`. */
export async function agentSink(
  lanes: Lanes,
  agent: Agent,
  path: string,
  { signal, mode = 0o666, sync = false, resume = false }: SinkOptions,
): Promise<ByteSink> {
  const where = `${lanes.where}:${path}`;
  const how = resume ? { op: op.open, argument: toWrite } : { op: op.create, argument: mode };
  const opened = await openWith(agent, path, how, signal).catch((error) => {
    throw placed(error, where);
  });
  const file = new RemoteFile(path, where, agent, opened, true);
  let failed: unknown;
  let inFlight = 0;
  let written = 0;
  const sending = new Set<Promise<void>>();
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const go of waiting.splice(0)) go();
  };

  const send = async (bytes: Buffer, offset: number) => {
    try {
      await lanes.using(bytes.length, undefined, async (on) => {
        if (failed !== undefined) return;
        await on.ask({ op: op.write, file: await file.on(on), offset, payload: bytes });
      });
    } catch (error) {
      failed ??= placed(error, where);
    } finally {
      inFlight -= bytes.length;
      wake();
    }
  };
  const room = async (most: number, cancel?: AbortSignal) => {
    while (inFlight > most && failed === undefined) {
      await untilAborted(new Promise<void>((resolve) => waiting.push(resolve)), cancel);
    }
    if (failed !== undefined) throw failed;
  };
  const finish = async (size: number, modifiedAt: number | undefined) => {
    await room(0);
    const last = (await lanes.agent()) ?? agent;
    const on = await file.on(last);
    await last.ask({ op: op.truncate, file: on, argument: size });
    if (modifiedAt !== undefined) await last.ask({ op: op.setTime, file: on, argument: modifiedAt });
    if (sync) await last.ask({ op: op.sync, file: on });
    await file.close();
  };
  return {
    name: path,
    access: 'random',
    async write(bytes, offset, cancel) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        throwIfAborted(cancel);
        const length = Math.min(pieceBytes, bytes.length - at);
        await room(mostInFlight - length, cancel);
        inFlight += length;
        // A copy: the caller goes on while it is under way.
        const sent = send(Buffer.from(bytes.subarray(at, at + length)), offset + at);
        sending.add(sent);
        void sent.then(() => sending.delete(sent));
        written += length;
      }
      if (written >= copyBytes) lanes.widen();
    },
    async flush(durable) {
      await Promise.all(sending);
      if (failed !== undefined) throw failed;
      if (!durable) return;
      const on = (await lanes.agent()) ?? agent;
      await on.ask({ op: op.sync, file: await file.on(on) }).catch((error) => {
        throw placed(error, where);
      });
    },
    finish: (size, modifiedAt) =>
      finish(size, modifiedAt).catch((error) => {
        throw placed(error, where);
      }),
    async abort() {
      failed ??= new Error('given up');
      await file.close();
    },
  };
}
