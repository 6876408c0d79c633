/**
 * A disk on its way through a lease: a streamOptimized VMDK, posted to the URL of its device as it is made. What is
 * no such stream, or is of another size than the device was made with, is refused at its first bytes.
 */
import type { ByteSink } from '../../io/byte-source.ts';
import type { Upload } from '../../io/https/upload.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Lease, LeaseDevice } from './lease.ts';

export interface LeaseUpload {
  readonly sink: ByteSink;
  /** All of it arrived. */
  readonly done: () => boolean;
}

export interface UploadedDisk {
  readonly name: string;
  readonly device: LeaseDevice;
  readonly capacityBytes: number;
  readonly signal: AbortSignal;
  onBytes(count: number): void;
}

/** A host may be busy with what it has not written yet. */
const answerMs = 10 * 60_000;
const silenceMs = 2 * 60_000;
const zeros = Buffer.alloc(MiB);

export function leaseUpload(lease: Lease, disk: UploadedDisk): LeaseUpload {
  const { name, device, capacityBytes } = disk;
  const signal = AbortSignal.any([disk.signal, lease.lost]);
  let upload: Upload | undefined;
  let sent = 0;
  let whole = false;
  let turn: Promise<unknown> = Promise.resolve();

  const begin = async (): Promise<Upload> => {
    const client = await lease.client(device);
    return client.upload({
      method: 'POST',
      path: device.path,
      headers: { 'content-type': 'application/x-vnd.vmware-streamVmdk', ...lease.headers(client) },
      step: `sending ${name}`,
      timeoutMs: answerMs,
      silenceMs,
      signal,
    });
  };
  const send = async (bytes: Uint8Array) => {
    upload ??= await begin();
    await upload.write(bytes).catch((error) => {
      // Whoever gave the lease up cuts its uploads, too: that is the reason to tell.
      lease.lost.throwIfAborted();
      throw error;
    });
    sent += bytes.length;
    disk.onBytes(bytes.length);
  };
  /** A gap means zeros. */
  const fill = async (to: number) => {
    while (sent < to) await send(zeros.subarray(0, Math.min(zeros.length, to - sent)));
  };
  /** One after the other, in the order in which they come. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  const sink: ByteSink = {
    name,
    access: 'forward',
    write: (bytes, offset) =>
      inTurn(async () => {
        throwIfAborted(signal);
        if (offset < sent) throw new AppError('bug', `${name}: bytes at ${offset} after ${sent}`);
        if (sent === 0) checkStream(name, offset, bytes, capacityBytes);
        await fill(offset);
        await send(bytes);
      }),
    finish: (size) =>
      inTurn(async () => {
        throwIfAborted(signal);
        await fill(size);
        const answer = await upload?.end();
        if (answer === undefined || answer.status < 200 || answer.status > 299) {
          throw new AppError('io', `sending ${name}: the host answers HTTP ${answer?.status ?? 'nothing'}`, {
            where: `${device.host}:${device.port}`,
          });
        }
        whole = true;
      }),
    abort: async () => upload?.abort(),
  };
  return { sink, done: () => whole };
}

/** Bits 16 and 17 of the flags: compressed grains, markers. */
const streamFlags = 0x3_0000;

/** [VDF] "Hosted Sparse Extent Header". @throws AppError `unsupported`, `conflict`. */
function checkStream(name: string, offset: number, bytes: Uint8Array, capacityBytes: number): void {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stream =
    offset === 0 &&
    head.length >= 20 &&
    head.toString('latin1', 0, 4) === 'KDMV' &&
    (head.readUInt32LE(8) & streamFlags) === streamFlags;
  if (!stream) {
    throw new AppError(
      'unsupported',
      `${name} is no streamOptimized VMDK, and the lease takes nothing else`,
      {
        hint: 'leave format and layout as they are chosen for this destination',
      },
    );
  }
  const capacity = Number(head.readBigUInt64LE(12)) * 512;
  if (capacity === capacityBytes) return;
  throw new AppError(
    'conflict',
    `${name} holds ${capacity} bytes, but the disk that was made for it ${capacityBytes}`,
    { hint: 'the source has changed meanwhile: look at it again and make the plan anew' },
  );
}
