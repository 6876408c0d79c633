/** The makers of each volume write it, blkid judges what it is. */
import { execFileSync } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Looking } from '../../../src/guest/looking.ts';
import { recognise } from '../../../src/guest/volumes/recognise.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

interface Case {
  readonly tools: readonly string[];
  readonly kind: string;
  /** What blkid calls it. */
  readonly type: string;
  readonly mebibytes: number;
  make(image: string, folder: string): void | Promise<void>;
  readonly facts?: Record<string, unknown>;
}

const run = (program: string, args: string[], input?: string): void => {
  execFileSync(program, args, {
    stdio: ['pipe', 'ignore', 'ignore'],
    ...(input === undefined ? {} : { input }),
  });
};
const key = 'a passphrase for a test';
const luks = (type: string) => (image: string) =>
  run(
    'cryptsetup',
    ['luksFormat', '-q', '--type', type, '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', image, '-'],
    key,
  );

const cases: Record<string, Case> = {
  xfs: {
    tools: ['mkfs.xfs'],
    kind: 'xfs',
    type: 'xfs',
    mebibytes: 320,
    make: (image) => run('mkfs.xfs', ['-q', '-L', 'label', image]),
    facts: { sizeBytes: 320 * 2 ** 20 },
  },
  btrfs: {
    tools: ['mkfs.btrfs'],
    kind: 'btrfs',
    type: 'btrfs',
    mebibytes: 128,
    make: (image) => run('mkfs.btrfs', ['-q', '-L', 'label', image]),
    facts: { sizeBytes: 128 * 2 ** 20, state: 'clean' },
  },
  ntfs: {
    tools: ['mkfs.ntfs'],
    kind: 'ntfs',
    type: 'ntfs',
    mebibytes: 16,
    make: (image) => run('mkfs.ntfs', ['-F', '-q', '-L', 'A longer label', image]),
    facts: { state: 'clean' },
  },
  exfat: {
    tools: ['mkfs.exfat'],
    kind: 'exfat',
    type: 'exfat',
    mebibytes: 16,
    make: (image) => run('mkfs.exfat', [image]),
    facts: { state: 'clean', sizeBytes: 16 * 2 ** 20 },
  },
  swap: {
    tools: ['mkswap'],
    kind: 'swap',
    type: 'swap',
    mebibytes: 4,
    make: (image) => run('mkswap', ['-L', 'label', image]),
    facts: { state: 'clean', sizeBytes: 4 * 2 ** 20 },
  },
  squashfs: {
    tools: ['mksquashfs'],
    kind: 'squashfs',
    type: 'squashfs',
    mebibytes: 1,
    async make(image, folder) {
      await mkdir(join(folder, 'root'));
      await writeFile(join(folder, 'root/file'), 'content');
      run('mksquashfs', [join(folder, 'root'), image, '-noappend', '-quiet']);
    },
  },
  luks1: {
    tools: ['cryptsetup'],
    kind: 'luks1',
    type: 'crypto_LUKS',
    mebibytes: 20,
    make: luks('luks1'),
    facts: { encrypted: true },
  },
  luks2: {
    tools: ['cryptsetup'],
    kind: 'luks2',
    type: 'crypto_LUKS',
    mebibytes: 20,
    make: luks('luks2'),
    facts: { encrypted: true },
  },
};

for (const [name, c] of Object.entries(cases)) {
  describeWith([...c.tools, 'blkid'], `volume: ${name}`, () => {
    it('is what blkid says it is', async () => {
      const folder = await tempFolder();
      const image = join(folder, 'image');
      const handle = await open(image, 'wx');
      await handle.truncate(c.mebibytes * 2 ** 20);
      await handle.close();
      await c.make(image, folder);
      const looking: Looking = { disk: sourceDisk(await fileSource(image)), signal: undefined, findings: [] };
      onTestFinished(() => looking.disk.close());
      const volume = (await recognise(looking))!;
      const blkid = execFileSync('blkid', ['-p', '-o', 'export', image], { encoding: 'utf8' });
      const fact = (k: string) => new RegExp(`^${k}=(.*)$`, 'm').exec(blkid)?.[1]?.replace(/\\(.)/g, '$1');
      expect(fact('TYPE')).toBe(c.type);
      expect(volume).toMatchObject({ kind: c.kind, readable: false, ...c.facts });
      expect([volume.uuid, volume.label]).toEqual([fact('UUID'), fact('LABEL')]);
    });
  });
}
