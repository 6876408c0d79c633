/** Any offset and length over a server that takes whole blocks only. */
import { AppError } from '../../model/errors.ts';

interface Blocks {
  read(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
  write(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
}

/** The same for blocks of one byte. A write of a part of a block reads the block first, one such write at a time. */
export function aligned(block: number, size: number, where: string, inner: Blocks): Blocks {
  if (block === 1) return inner;
  if (size % block !== 0) {
    throw new AppError('corrupt', `NBD: ${size} bytes are not whole blocks of ${block}`, { where });
  }
  const around = (offset: number, length: number) => {
    const from = offset - (offset % block);
    return { from, to: Math.ceil((offset + length) / block) * block };
  };
  const isWhole = (offset: number, length: number) => offset % block === 0 && length % block === 0;
  let last: Promise<unknown> = Promise.resolve();

  async function patch(bytes: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const { from, to } = around(offset, bytes.length);
    const whole = Buffer.allocUnsafe(to - from);
    const tail = whole.length - block;
    await inner.read(whole.subarray(0, block), from, signal);
    if (tail > 0) await inner.read(whole.subarray(tail), from + tail, signal);
    whole.set(bytes, offset - from);
    await inner.write(whole, from, signal);
  }

  return {
    async read(target, offset, signal) {
      if (target.length === 0) return;
      if (isWhole(offset, target.length)) return inner.read(target, offset, signal);
      const { from, to } = around(offset, target.length);
      const whole = Buffer.allocUnsafe(to - from);
      await inner.read(whole, from, signal);
      target.set(whole.subarray(offset - from, offset - from + target.length));
    },
    async write(bytes, offset, signal) {
      if (bytes.length === 0) return;
      if (isWhole(offset, bytes.length)) return inner.write(bytes, offset, signal);
      const mine = last.then(() => patch(bytes, offset, signal));
      last = mine.catch(() => undefined);
      await mine;
    },
  };
}
