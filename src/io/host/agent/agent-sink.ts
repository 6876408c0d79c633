/**
 * A new file at the far end, written by helpers: many writes under way on all connections, gaps left as holes. What was
 * not acknowledged when a connection was lost is written again, by another helper, into the same file; the same bytes
 * at the same place, so that it does no harm when the first ones arrive late.
 */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { ByteSink } from '../../byte-source.ts';
import { throwIfAborted } from '../../in-order.ts';
import { untilAborted } from '../abort-watch.ts';
import type { Agent } from './agent.ts';
import { placed } from './agent-source.ts';
import type { Lanes } from './lanes.ts';
import { op } from './protocol.ts';
import { openWith, RemoteFile } from './remote-file.ts';

const pieceBytes = 128 * 1024;
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
  const giveUp = new AbortController();
  const until = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
  let failed: unknown;
  let inFlight = 0;
  let written = 0;
  const sending = new Set<Promise<void>>();
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const go of waiting.splice(0)) go();
  };

  /** By any helper, until one has done it. */
  const done = async (bytes: number, work: (on: Agent, id: number) => Promise<unknown>) => {
    const tries = lanes.tries();
    for (;;) {
      try {
        return await lanes.using(bytes, until, async (on) => {
          if (failed === undefined) await work(on, await file.on(on));
        });
      } catch (error) {
        await tries.failed(error, until);
      }
    }
  };
  const send = async (payload: Buffer, offset: number) => {
    try {
      await done(payload.length, (on, id) => on.ask({ op: op.write, file: id, offset, payload }));
    } catch (error) {
      failed ??= placed(error, where);
    } finally {
      inFlight -= payload.length;
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
    await done(1, async (on, id) => {
      await on.ask({ op: op.truncate, file: id, argument: size });
      if (modifiedAt !== undefined) await on.ask({ op: op.setTime, file: id, argument: modifiedAt });
      if (sync) await on.ask({ op: op.sync, file: id });
    });
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
      await done(1, (on, id) => on.ask({ op: op.sync, file: id })).catch((error) => {
        throw placed(error, where);
      });
    },
    finish: (size, modifiedAt) =>
      finish(size, modifiedAt).catch((error) => {
        throw placed(error, where);
      }),
    async abort() {
      failed ??= new AppError('cancelled', 'it was given up', { where });
      giveUp.abort();
      await file.close();
    },
  };
}
