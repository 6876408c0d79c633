/**
 * Small images of foreign tools with bytes changed where anything is: files come out, or an AppError; soon, and no
 * error is a bug of ours. Seeded: a failure comes again. `HOSTILE_SEEDS=5000` for more.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { VolumeFiles } from '../../src/guest/filesystems/files.ts';
import { openFiles } from '../../src/guest/filesystems/open-files.ts';
import { cached } from '../../src/io/cached.ts';
import { crc32c } from '../../src/io/crc32c.ts';
import { AppError } from '../../src/model/errors.ts';
import { randomNumbers } from '../conformance/random.ts';
import { diskOf } from '../guest/disks.ts';
import { emptyImage } from '../guest/filesystems/whole-tree.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const seeds = Number(process.env.HOSTILE_SEEDS ?? 40);
const firstSeed = Number(process.env.HOSTILE_FIRST ?? 1);
const MiB = 2 ** 20;

async function sampleRoot(folder: string): Promise<string> {
  const root = join(folder, 'root');
  await mkdir(join(root, 'etc/deep'), { recursive: true });
  await mkdir(join(root, 'many'));
  await symlink('../etc/large', join(root, 'many/link'));
  await symlink('./'.repeat(150).concat('etc'), join(root, 'long-link'));
  await writeFile(join(root, 'etc/large'), Buffer.alloc(200_000, 'abcdefg'));
  await writeFile(join(root, 'etc/deep/small'), 'small');
  for (let i = 0; i < 150; i++) await writeFile(join(root, 'many', `a-rather-long-name-${i}`), `${i}`);
  return root;
}

interface Sample {
  readonly kind: string;
  /** Makes the image at `image` from the folder `root`. */
  make(folder: string, root: string): Promise<string>;
  /** Puts checksums right, so that what lies behind them is reached. */
  mend?(bytes: Buffer, good: Buffer): void;
}

const small = { ...process.env, TEST_DIR: '1', TEST_DEV: '1', QA_CHECK_FS: '1' };

const samples: Record<string, Sample> = {
  XFS: {
    kind: 'xfs',
    async make(folder, root) {
      const image = await emptyImage(folder, 16);
      const names = Array.from({ length: 150 }, (_, i) => `a-rather-long-name-${i}`);
      const lines = [
        ...['/none', '0 0', 'd--755 0 0', `long-link l--777 0 0 ${'./'.repeat(150)}etc`],
        ...['etc d--755 0 0', `large ---644 0 0 ${root}/etc/large`],
        ...['deep d--755 0 0', `small ---644 0 0 ${root}/etc/deep/small`, '$', '$'],
        ...['many d--755 0 0', 'link l--777 0 0 ../etc/large'],
        ...names.map((name) => `${name} ---644 0 0 ${root}/many/${name}`),
        ...['$', '$', ''],
      ];
      await writeFile(join(folder, 'list'), lines.join('\n'));
      const args = [
        '-q',
        '-m',
        'crc=0',
        '-b',
        'size=1024',
        '-n',
        'size=4096',
        '-p',
        join(folder, 'list'),
        image,
      ];
      execFileSync('mkfs.xfs', args, { env: small, stdio: 'ignore' });
      return image;
    },
  },
  NTFS: {
    kind: 'ntfs',
    async make(folder, root) {
      const image = await emptyImage(folder, 2);
      execFileSync('mkntfs', ['-F', '-q', '-c', '512', image], { stdio: 'ignore' });
      execFileSync('ntfscp', ['-q', image, join(root, 'etc/large'), 'large'], { stdio: 'ignore' });
      for (let i = 0; i < 30; i++)
        execFileSync('ntfscp', ['-q', image, join(root, 'etc/deep/small'), `a-rather-long-name-${i}`], {
          stdio: 'ignore',
        });
      return image;
    },
  },
  btrfs: {
    kind: 'btrfs',
    async make(folder, root) {
      const image = await emptyImage(folder, 32);
      const args = ['-q', '-M', '-n', '4096', '-m', 'single', '-d', 'single', '--rootdir', root, image];
      execFileSync('mkfs.btrfs', args, { stdio: 'ignore' });
      return image;
    },
    mend(bytes, good) {
      for (let at = 0x10000; at + 4096 <= bytes.length; at += 4096) {
        const isNode =
          at === 0x10000 || good.subarray(at + 32, at + 48).equals(good.subarray(0x10020, 0x10030));
        if (isNode) bytes.writeUInt32LE(crc32c(bytes.subarray(at + 32, at + 4096)), at);
      }
    },
  },
  'ISO 9660': {
    kind: 'iso9660',
    async make(folder, root) {
      const image = join(folder, 'image');
      execFileSync('xorriso', ['-as', 'mkisofs', '-R', '-o', image, root], { stdio: 'ignore' });
      return image;
    },
  },
  ext4: {
    kind: 'ext4',
    async make(folder, root) {
      const image = await emptyImage(folder, 2);
      const args = ['-q', '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum', '-d', root, image];
      execFileSync('mke2fs', args, { stdio: 'ignore' });
      return image;
    },
  },
  'ext4 with a journal to be replayed': {
    kind: 'ext4',
    async make(folder, root) {
      const image = await emptyImage(folder, 4);
      const args = [
        '-q',
        '-t',
        'ext4',
        '-b',
        '1024',
        '-J',
        'size=1',
        '-O',
        '^metadata_csum',
        '-d',
        root,
        image,
      ];
      execFileSync('mke2fs', args, { stdio: 'ignore' });
      await writeFile(join(folder, 'script'), 'jo\njw -b 3900,3901 /dev/zero\njc\n');
      execFileSync('debugfs', ['-w', '-f', join(folder, 'script'), image], { stdio: 'ignore' });
      return image;
    },
  },
};

/** Some numbers of every width that are most likely to break something. */
const edges = [0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff];

/** A few bytes changed in sectors that hold anything but the files' own bytes. */
function damaged(good: Buffer, used: readonly number[], seed: number): Buffer {
  const next = randomNumbers(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  const bytes = Buffer.from(good);
  for (let count = 1 + below(10); count > 0; count--) {
    const at = used[below(used.length)]! + below(512);
    const length = [1, 1, 2, 4, 8][below(5)]!;
    bytes.fill(
      below(3) === 0 ? below(256) : edges[below(edges.length)]!,
      at,
      Math.min(bytes.length, at + length),
    );
  }
  return below(10) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
}

const usedSectors = (bytes: Buffer): number[] => {
  const text = Buffer.alloc(512 + 7, 'abcdefg');
  const contents = [
    Buffer.alloc(512),
    Buffer.alloc(512, 0xff),
    ...Array.from({ length: 7 }, (_, i) => text.subarray(i, i + 512)),
  ];
  const all = Array.from({ length: Math.floor(bytes.length / 512) }, (_, i) => i * 512);
  return all.filter((at) => !contents.some((content) => content.equals(bytes.subarray(at, at + 512))));
};

const orAppError = async <T>(step: () => Promise<T>, where: string): Promise<T | undefined> => {
  try {
    return await step();
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'bug') return undefined;
    throw new Error(where, { cause: error });
  }
};

/** Down three folders, a few hundred names at most. @returns how many files were read. */
async function lookThrough(files: VolumeFiles, where: string): Promise<number> {
  let read = 0;
  let steps = 0;
  const visit = async (path: string, depth: number): Promise<void> => {
    for (const { name } of (await orAppError(() => files.entries(path), `${where} ${path}`)) ?? []) {
      if (++steps > 200) return;
      const below = `${path}/${name}`;
      const stat = await orAppError(() => files.lstat(below), `${where} ${below}`);
      if (stat?.kind === 'link') await orAppError(() => files.readlink(below), `${where} ${below}`);
      if (stat?.kind === 'folder' && depth < 3) await visit(below, depth + 1);
      if (stat?.kind === 'file' || stat?.kind === 'link')
        if ((await orAppError(() => files.read(below, MiB), `${where} ${below}`)) !== undefined) read++;
    }
  };
  await visit('', 0);
  return read;
}

describeWith(
  ['mkfs.xfs', 'mkntfs', 'ntfscp', 'mkfs.btrfs', 'xorriso', 'mke2fs', 'debugfs'],
  'mutated filesystems give files or an AppError',
  () => {
    it.each(Object.keys(samples))(
      '%s',
      async (name) => {
        const folder = await tempFolder();
        const { kind, make, mend } = samples[name]!;
        const good = await readFile(await make(folder, await sampleRoot(folder)));
        const open = (bytes: Buffer) =>
          openFiles({ disk: cached(diskOf(bytes)), signal: undefined, findings: [] }, kind);
        expect(await lookThrough(await open(good), 'unchanged')).toBeGreaterThan(30);
        const used = usedSectors(good);
        for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
          const bytes = damaged(good, used, seed);
          mend?.(bytes, good);
          const where = `seed ${seed}`;
          const files = await orAppError(() => open(bytes), where);
          if (files !== undefined) await lookThrough(files, where);
        }
      },
      120_000,
    );
  },
);
