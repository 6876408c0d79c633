/** Our ext4, judged by e2fsck, debugfs and the kernel that mounts it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fileSink } from '../../../src/io/file-sink.ts';
import { tarEntries } from '../../../src/packages/ext4/tar-stream.ts';
import { writeExt4 } from '../../../src/packages/ext4/writer.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const tools = ['tar', 'e2fsck', 'debugfs'];
const isRoot = process.getuid?.() === 0;
const sh = (script: string, ...args: string[]) =>
  execFileSync('bash', ['-ec', script, 'bash', ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });

async function pack(folder: string, image: string, minimumBytes?: number): Promise<number> {
  const args = ['-C', folder, '--format=posix', '--numeric-owner', '--sparse', '--xattrs', '-cf', '-', '.'];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const sink = await fileSink(image);
  const size = await writeExt4(tarEntries(tar.stdout, 'test'), sink, 'test', {
    minimumBytes,
    uuid: randomBytes(16),
    now: 1_700_000_000,
  }).catch(async (error) => {
    await sink.abort();
    throw error;
  });
  execFileSync('e2fsck', ['-fn', image], { stdio: 'pipe' });
  return size;
}

/** Everything that is told of each name, and the sums of all files. */
const describeTree = (folder: string) =>
  sh(
    `cd "$1"
     find . -path ./lost+found -prune -o -type d -printf '%p %y %m %U %G %T@ %l\\n' -o -printf '%p %y %m %U %G %s %n %T@ %l\\n' | LC_ALL=C sort
     find . -path ./lost+found -prune -o \\( -type b -o -type c \\) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort
     find . -path ./lost+found -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
     find . -path ./lost+found -prune -o \\( -type f -o -type d \\) -print0 | LC_ALL=C sort -z | xargs -0r getfattr -h -d -m - -e hex
     find . -type f -links +1 -printf '%i %p\\n' | LC_ALL=C sort -k2 | awk '{ if (!($1 in n)) n[$1] = ++c; print n[$1], $2 }'`,
    folder,
  );

function mounted(image: string, folder: string): string {
  mkdirSync(folder);
  execFileSync('mount', ['-o', 'loop,ro', image, folder]);
  onTestFinished(() => void execFileSync('umount', [folder]));
  return folder;
}

const canMount = isRoot && spawnSync('sh', ['-c', 'losetup -f'], { stdio: 'ignore' }).status === 0;

describeWith([...tools, 'setfattr', 'setfacl', 'setcap', 'mknod'], 'ext4 from a tar stream', () => {
  it.skipIf(!canMount)('everything that a root filesystem can have, mounted', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    mkdirSync(root);
    sh(
      `cd "$1"
       mkdir -p etc usr/bin dev var/lib empty 'odd '$'\\n\\xff\\'"'
       printf 'web\\n' >etc/hostname; : >etc/empty; head -c 5000000 /dev/urandom >usr/bin/big
       printf x >usr/bin/su; chown 0:0 usr/bin/su; chmod 4755 usr/bin/su; chmod 1777 empty; chmod 2750 var/lib
       chown 70000:4000000000 etc/hostname; chown -h 33:44 etc
       ln etc/hostname usr/hard; ln etc/hostname var/lib/hard2
       ln -s ../etc/hostname usr/short; ln -s "$(printf 'y%.0s' $(seq 59))" usr/link59
       ln -s "$(printf 'z%.0s' $(seq 60))" usr/link60; ln -s "$(printf 'long/%.0s' $(seq 600))" usr/long
       chown -h 5:6 usr/short; touch -h -d '2001-02-03 04:05:06.789' usr/short
       mknod dev/null c 1 3; mknod dev/sda b 8 0; mknod dev/far c 300 70000; mkfifo dev/pipe
       : >"$(printf 'n%.0s' $(seq 255))"
       truncate -s 300M var/holes; printf mid | dd of=var/holes bs=1 seek=150000000 conv=notrunc status=none
       truncate -s 10M var/allholes; printf 'end' >>var/allholes
       touch -d '2040-01-01 00:00:00.123456789' etc/future; touch -d '1960-01-01 00:00:00.5' etc/past
       setfattr -n user.note -v hello etc/hostname; setfattr -n trusted.t -v 0x00ff00 usr/bin/su
       setfattr -n user.large -v "$(head -c 2000 /dev/zero | tr '\\0' v)" etc/empty; setfattr -n user.a -v b etc/empty
       setfattr -n user.novalue etc/future
       cp /bin/true usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
       setfacl -m u:4242:rw,g:77:r etc/future; setfacl -d -m u:4242:rwx var/lib
       setfattr -n user.root -v 1 .; chmod 711 .; touch -d '2010-01-01' .`,
      root,
    );
    const image = join(folder, 'image');
    const size = await pack(root, image, 3 * 2 ** 30);
    expect(size).toBe(3 * 2 ** 30);
    const back = mounted(image, join(folder, 'mnt'));
    expect(describeTree(back)).toBe(describeTree(root));
    // The holes have stayed holes.
    expect(Number(sh('du -s --block-size=1 "$1/var/holes" | cut -f1', back))).toBeLessThan(200_000);
  });

  it.skipIf(!canMount)(
    'folders of thousands, files of thousands of extents',
    async () => {
      const folder = await tempFolder();
      const root = join(folder, 'root');
      mkdirSync(join(root, 'many'), { recursive: true });
      for (let i = 0; i < 5000; i++)
        writeFileSync(join(root, 'many', `file with a rather long name ${i}`), `${i}`);
      sh(
        `cd "$1"
       for i in $(seq 0 1499); do printf "$i" | dd of=scattered bs=1 seek=$((i * 131072 + 7)) conv=notrunc status=none; done
       mkdir deep; cd deep; for i in $(seq 60); do mkdir "d$i"; cd "d$i"; done; echo bottom >f`,
        root,
      );
      const image = join(folder, 'image');
      await pack(root, image);
      const back = mounted(image, join(folder, 'mnt'));
      expect(describeTree(back)).toBe(describeTree(root));
    },
    60_000,
  );

  it.skipIf(!canMount)(
    'it can be written to: filled, checked, given a journal, made larger',
    async () => {
      const folder = await tempFolder();
      const root = join(folder, 'root');
      mkdirSync(join(root, 'etc'), { recursive: true });
      writeFileSync(join(root, 'etc/x'), randomBytes(300_000));
      const image = join(folder, 'image');
      const size = await pack(root, image);
      const mount = join(folder, 'mnt');
      mkdirSync(mount);
      sh(
        `mount -o loop "$1" "$2"; trap 'umount "$2"' EXIT
       mkdir "$2/new"; for i in $(seq 3000); do echo $i >"$2/new/$i"; done; head -c 200000000 /dev/zero >"$2/new/large"; rm -r "$2/new"; cp -a "$2/etc" "$2/copy"`,
        image,
        mount,
      );
      sh(
        'e2fsck -fn "$1"; tune2fs -j "$1" >/dev/null; e2fsck -fy "$1" >/dev/null; truncate -s "$2" "$1"; resize2fs "$1" 2>&1; e2fsck -fn "$1"',
        image,
        String(size * 2),
      );
      expect(sh('debugfs -R "cat /copy/x" "$1" 2>/dev/null | cmp - "$2/etc/x"', image, root)).toBe('');
    },
    60_000,
  );

  it('of 40 GiB, with more descriptors than a block holds; and none of more than 2 TiB', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    mkdirSync(root);
    writeFileSync(join(root, 'x'), 'text');
    const image = join(folder, 'image');
    expect(await pack(root, image, 40 * 2 ** 30)).toBe(40 * 2 ** 30);
    expect(sh('debugfs -R "cat /x" "$1" 2>/dev/null', image)).toBe('text');
    await expect(pack(root, join(folder, 'other'), 3 * 2 ** 40)).rejects.toMatchObject({
      kind: 'unsupported',
    });
  }, 60_000);

  it('larger than a group, past the copies of the superblock', async () => {
    const folder = await tempFolder();
    const root = join(folder, 'root');
    mkdirSync(root);
    const block = randomBytes(1024 * 1024);
    // Data in each of the first five groups.
    for (let i = 0; i < 9; i++)
      sh('for i in $(seq 60); do cat "$1"; done >"$2"', ...(await parts(folder, block, i, root)));
    const image = join(folder, 'image');
    await pack(root, image);
    for (const name of readdirSync(root))
      expect(sh('debugfs -R "cat /$2" "$1" 2>/dev/null | cmp - "$3/$2"', image, name, root)).toBe('');
  }, 60_000);
});

async function parts(folder: string, block: Buffer, i: number, root: string): Promise<[string, string]> {
  const path = join(folder, 'part');
  block.writeUInt32LE(i, 0);
  writeFileSync(path, block);
  return [path, join(root, `big${i}`)];
}
