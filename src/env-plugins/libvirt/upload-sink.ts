/**
 * A volume that is written through libvirt, for a user who can't write to its folder. Each stretch of data is one
 * upload: what lies between them is never sent.
 */
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Libvirt } from './connect.ts';
import type { Pool } from './pools.ts';
import { fed, feedVirsh, type VirshFeed } from './virsh-input.ts';

export interface UploadTarget {
  readonly pool: Pool;
  readonly volume: string;
  /** A new file is empty or all zeros; a device holds what was there before, so that zeros are sent, too. */
  readonly kind: 'file' | 'block';
  /** Bytes that it has already. */
  readonly size: number;
  readonly signal: AbortSignal;
}

/** A shorter gap costs less as zeros than a new upload does. */
const shortGap = MiB;
const zeros = Buffer.alloc(MiB);

export function uploadSink(libvirt: Libvirt, { pool, volume, kind, size, signal }: UploadTarget): ByteSink {
  const name = `${pool.name}/${volume}`;
  let feed: VirshFeed | undefined;
  let at = 0;
  let end = 0;
  let queue: Promise<unknown> = Promise.resolve();

  const openAt = async (offset: number) => {
    const args = [
      'vol-upload',
      `--pool=${pool.uuid}`,
      `--vol=${volume}`,
      `--file=${fed}`,
      `--offset=${offset}`,
    ];
    feed = await feedVirsh(libvirt, args, signal);
    at = offset;
  };
  const closeFeed = async () => {
    const open = feed;
    feed = undefined;
    await open?.end();
  };
  const send = async (bytes: Uint8Array) => {
    await feed!.write(bytes);
    at += bytes.length;
    end = Math.max(end, at);
  };
  const sendZeros = async (to: number) => {
    while (at < to) await send(zeros.subarray(0, Math.min(zeros.length, to - at)));
  };
  const reach = async (offset: number) => {
    if (kind === 'block') {
      if (offset < at) throw new AppError('bug', `${name} is written in ascending order only`);
      if (feed === undefined) await openAt(0);
      return sendZeros(offset);
    }
    if (feed !== undefined && offset === at) return;
    // Behind all that was written so far, a gap may be filled: nothing is overwritten.
    if (feed !== undefined && at === end && offset > at && offset - at <= shortGap) return sendZeros(offset);
    await closeFeed();
    await openAt(offset);
  };
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work);
    queue = done.catch(() => undefined);
    return done;
  };

  return {
    name,
    access: kind === 'file' ? 'random' : 'forward',
    write: (bytes, offset) =>
      inTurn(async () => {
        await reach(offset);
        await send(bytes);
      }),
    finish: (whole) =>
      inTurn(async () => {
        if (whole < Math.max(end, kind === 'file' ? size : 0)) {
          throw new AppError('bug', `${name} has more than ${whole} bytes`);
        }
        if (kind === 'block') await reach(Math.max(whole, size));
        else if (whole > Math.max(end, size)) {
          await reach(whole - 1);
          await send(zeros.subarray(0, 1));
        }
        await closeFeed();
      }),
    async abort() {
      const open = feed;
      feed = undefined;
      await open?.abort();
      await queue;
    },
  };
}
