/**
 * Mutated disks: a report always comes, soon, with no error that is a bug of ours, and not by reading or
 * keeping much. Seeded: a failure comes again.
 */
import { describe, expect, it } from 'vitest';
import { openExt } from '../../src/guest/filesystems/ext/open.ts';
import { openFat } from '../../src/guest/filesystems/fat/open.ts';
import type { Files } from '../../src/guest/filesystems/files.ts';
import { inspectDisk } from '../../src/guest/inspect.ts';
import { AppError } from '../../src/model/errors.ts';
import { diskOf, fixture, linuxData, lookingAt, putGpt, putMbr } from '../guest/disks.ts';

const MiB = 2 ** 20;
/** More of them by hand: `HOSTILE_SEEDS=5000 npx vitest run test/hostile/guest.test.ts`. */
const seeds = Number(process.env.HOSTILE_SEEDS ?? 40);

/** mulberry32 */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) % below) | 0;
  };
}

const edges = [0, 1, 2, 0x7f, 0x80, 0xff];

/** Where the sectors are that hold anything: elsewhere nothing looks. */
function usedSectors(bytes: Buffer): number[] {
  const zeros = Buffer.alloc(512);
  const all = Array.from({ length: Math.floor(bytes.length / 512) }, (_, i) => i * 512);
  return all.filter((at) => !bytes.subarray(at, at + 512).equals(zeros));
}

/** `mutate(seed)`: the sample with a few bytes changed in its used sectors, now and then cut short. */
function mutations(sample: Buffer): (seed: number) => Buffer {
  const used = usedSectors(sample);
  return (seed) => {
    const next = random(seed);
    const out = Buffer.from(sample);
    for (let count = 1 + next(12); count > 0; count--) {
      const at = used[next(used.length)]! + next(512);
      const length = [1, 1, 2, 4, 8][next(5)]!;
      const value = next(3) === 0 ? next(256) : edges[next(edges.length)]!;
      out.fill(value, at, Math.min(out.length, at + length));
    }
    return next(8) === 0 ? out.subarray(0, next(out.length)) : out;
  };
}

function gptGuest(): Buffer {
  const bytes = Buffer.alloc(3 * MiB);
  putGpt(bytes, [
    { type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', start: 2048, end: 2048 + 511 },
    { type: linuxData, start: 4096, end: 4096 + 1023 },
  ]);
  fixture('fat12.img').copy(bytes, MiB);
  fixture('ext4.img').copy(bytes, 2 * MiB);
  return bytes;
}

function mbrGuest(): Buffer {
  const bytes = Buffer.alloc(2 * MiB);
  putMbr(bytes, [{ id: 5, start: 64, length: 4000 }]);
  putMbr(
    bytes,
    [
      { id: 0x83, start: 64, length: 1024 },
      { id: 5, start: 1200, length: 1200 },
    ],
    64 * 512,
  );
  putMbr(bytes, [{ id: 0x83, start: 64, length: 1024 }], 1264 * 512);
  fixture('ext2.img').copy(bytes, 128 * 512);
  fixture('ext4-inline.img').copy(bytes, 1328 * 512);
  return bytes;
}

/** Rejects what took a large allocation by counting what is read; a hang runs into the test's own end. */
async function expectReport(bytes: Buffer, seed: number): Promise<void> {
  const report = await inspectDisk(diskOf(bytes));
  const bugs = report.findings.filter((f) => f.rule === 'guest.bug');
  expect(bugs, `seed ${seed}`).toEqual([]);
  expect(report.bytesRead, `seed ${seed}`).toBeLessThanOrEqual(8 * MiB);
  expect(JSON.stringify(report).length, `seed ${seed}`).toBeLessThan(MiB);
}

const samples: Record<string, () => Buffer> = {
  'a GPT guest': gptGuest,
  'an MBR guest': mbrGuest,
  'ext2 alone': () => fixture('ext2.img'),
  'ext4 alone': () => fixture('ext4.img'),
  'FAT12 alone': () => fixture('fat12.img'),
};

describe('mutated disks give a report', () => {
  it.each(Object.keys(samples))('%s', async (name) => {
    const mutate = mutations(samples[name]!());
    for (let seed = 1; seed <= seeds; seed++) await expectReport(mutate(seed), seed);
  });
});

async function readAll(files: Files, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await files.stat(path);
    await files.read(path, MiB);
    await files.list(path);
  }
}

describe('mutated filesystems give files or an AppError', () => {
  const paths = [
    '/',
    '/etc',
    '/many',
    '/etc/os-release',
    '/long-link',
    '/holes',
    '/boot/escape',
    '/bin/sh',
    '/loop-a',
  ];
  const fatPaths = ['/', '/EFI', '/EFI/BOOT/BOOTX64.EFI', '/EFI/A Long Vendor/a loader with a long name.efi'];
  it.each([
    ['ext2.img', openExt, paths],
    ['ext4.img', openExt, paths],
    ['ext4-inline.img', openExt, paths],
    ['fat12.img', openFat, fatPaths],
  ] as const)('%s', async (name, open, all) => {
    const mutate = mutations(fixture(name));
    for (let seed = 1; seed <= seeds; seed++) {
      const looking = lookingAt(mutate(seed));
      for (const path of all) {
        await open(looking)
          .then((files) => readAll(files, [path]))
          .catch((error) => {
            if (!(error instanceof AppError) || error.kind === 'bug')
              throw new Error(`seed ${seed} ${path}`, { cause: error });
          });
      }
    }
  });
});

describe('disks made to hurt', () => {
  it('a GPT of as many entries as fit', async () => {
    const bytes = gptGuest();
    bytes.writeUInt32LE(0xffffffff, 512 + 80);
    await expectReport(bytes, 0);
  });

  it('a folder that is its own hole, for ever', async () => {
    const bytes = fixture('ext2.img');
    // The root's inode: the largest size, and every block a hole.
    const table = bytes.readUInt32LE(2048 + 8) * 1024 + 128 * (bytes.readUInt16LE(1024 + 88) / 128);
    bytes.writeUInt32LE(0xffffffff, table + 4);
    bytes.fill(0, table + 40, table + 100);
    await expectReport(bytes, 0);
  });

  it('random bytes', async () => {
    const next = random(7);
    for (let round = 0; round < 20; round++) {
      const bytes = Buffer.from(Array.from({ length: 4096 + next(65536) }, () => next(256)));
      bytes.writeUInt16LE(0xaa55, 510);
      if (round % 2 === 0) bytes.writeUInt16LE(0xef53, 1024 + 56);
      await expectReport(bytes, round);
    }
  });
});
