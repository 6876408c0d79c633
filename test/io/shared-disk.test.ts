/** One disk for several readers: read once, in step, and nobody waits for who has failed. */
import { expect, it } from 'vitest';
import { dataBlocks } from '../../src/io/blocks.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { counted, type Disk, sourceDisk } from '../../src/io/disk.ts';
import { SharedDisk } from '../../src/io/shared-disk.ts';
import { AppError } from '../../src/model/errors.ts';
import { MiB } from '../../src/model/units.ts';
import { randomBytes } from '../conformance/random.ts';

const content = Buffer.concat([
  randomBytes(70 * MiB, 1),
  Buffer.alloc(9 * MiB),
  randomBytes(33 * MiB + 512, 2),
]);

function watched() {
  const seen = { bytes: 0 };
  const disk = counted(sourceDisk(memorySource(content)), (bytes) => {
    seen.bytes += bytes;
  });
  return { disk, seen };
}

async function readAll(disk: Disk, grainBytes: number, each?: () => Promise<void>): Promise<Buffer> {
  const out = Buffer.alloc(disk.size);
  for await (const block of dataBlocks(disk, { grainBytes, blockBytes: Math.max(MiB, grainBytes) })) {
    for (const { offset, bytes } of block.runs) out.set(bytes, offset);
    block.release();
    await each?.();
  }
  return out;
}

it('is read once for three readers of different pace and block, each gets all of it', async () => {
  const { disk, seen } = watched();
  const shared = new SharedDisk(disk);
  const readers = [shared.reader(), shared.reader(), shared.reader()];
  const slowly = () => new Promise<void>((resolve) => setImmediate(resolve));
  const got = await Promise.all(
    readers.map(async (reader, i) => {
      reader.start();
      try {
        return await readAll(reader, [4096, 64 * 1024, 2 * MiB][i]!, i === 1 ? slowly : undefined);
      } finally {
        reader.end();
      }
    }),
  );
  for (const bytes of got) expect(bytes.equals(content)).toBe(true);
  expect(seen.bytes).toBe(content.length);
});

it('waits for one that has not begun, and no longer for one that has failed', async () => {
  const { disk, seen } = watched();
  const shared = new SharedDisk(disk);
  const [fast, never] = [shared.reader(), shared.reader()];
  fast.start();
  let done = false;
  const reading = readAll(fast, MiB).then((bytes) => {
    done = true;
    return bytes;
  });
  while (seen.bytes < 64 * MiB) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  expect(seen.bytes).toBe(64 * MiB);
  never.end();
  expect((await reading).equals(content)).toBe(true);
  fast.end();
});

it('reads at any place before it starts, and ends when it is cancelled while the others go on', async () => {
  const { disk } = watched();
  const shared = new SharedDisk(disk);
  const [one, two] = [shared.reader(), shared.reader()];
  const few = Buffer.alloc(10);
  await one.read(few, 99 * MiB);
  expect(few.equals(content.subarray(99 * MiB, 99 * MiB + 10))).toBe(true);
  const cancel = new AbortController();
  one.start();
  two.start();
  const waits = one.read(Buffer.alloc(MiB), 80 * MiB, cancel.signal);
  cancel.abort(new AppError('cancelled', 'cancelled'));
  await expect(waits).rejects.toMatchObject({ kind: 'cancelled' });
  one.end();
  expect((await readAll(two, MiB)).equals(content)).toBe(true);
});

it('a failure of the disk is told to all', async () => {
  const disk: Disk = {
    ...watched().disk,
    async read(target, offset) {
      if (offset >= 5 * MiB) throw new AppError('io', 'broken');
      target.fill(1);
    },
  };
  const shared = new SharedDisk(disk);
  const readers = [shared.reader(), shared.reader()];
  for (const reader of readers) reader.start();
  const ends = await Promise.allSettled(
    readers.map((reader) => readAll(reader, MiB).finally(() => reader.end())),
  );
  for (const end of ends) expect(end).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
});
