/**
 * A small Linux that boots by BIOS and by UEFI, and asks for a login on its first serial port: Debian's kernel and
 * busybox in an initial ramdisk, and GRUB, in a FAT partition. Nothing is mounted and nothing needs root. Made once
 * and kept in the temporary folder of this computer.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { cpioArchive } from './cpio.ts';

const run = promisify(execFile);

export const tinyGuestTools = [
  'apt-get',
  'apt-cache',
  'dpkg-deb',
  'grub-mkimage',
  'mcopy',
  'mkfs.vfat',
  'sfdisk',
] as const;

export const tinyGuestBytes = 64 * 2 ** 20;
const partitionSector = 2048;

/** Said on the serial console before the prompt: `guest: firmware=uefi cpus=2 memory=250000` (KiB). */
const init = `#!/bin/busybox sh
B=/bin/busybox
$B mkdir -p /proc /sys /dev /etc
$B mount -t proc none /proc
$B mount -t sysfs none /sys
$B mount -t devtmpfs none /dev
echo tiny > /proc/sys/kernel/hostname
echo 'root::0:0:root:/:/bin/sh' > /etc/passwd
[ -d /sys/firmware/efi ] && F=uefi || F=bios
M=$($B awk '/MemTotal/ { print $2 }' /proc/meminfo)
echo "guest: firmware=$F cpus=$($B nproc) memory=$M"
while :; do $B setsid $B getty -L 115200 ttyS0 vt100; done
`;

const grubConfig = `serial --unit=0 --speed=115200
terminal_output serial console
set default=0
set timeout=0
menuentry tiny {
  linux /vmlinuz console=ttyS0,115200 panic=5 quiet
  initrd /initrd
}
`;

/** A raw image, not to be changed. */
export async function tinyGuest(): Promise<string> {
  const mark = createHash('sha256').update(init).update(grubConfig).digest('hex').slice(0, 12);
  const folder = join(tmpdir(), `vmferry-tiny-guest-${userInfo().uid}`);
  const image = join(folder, `tiny-${mark}.raw`);
  if (await exists(image)) return image;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const work = await mkdtemp(join(folder, 'work-'));
  try {
    await build(work, join(work, 'image.raw'));
    await rename(join(work, 'image.raw'), image); // several tests may build it at once: each its own
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function build(work: string, image: string): Promise<void> {
  const { stdout: depends } = await run('apt-cache', ['depends', 'linux-image-cloud-amd64']);
  const kernel = /Depends: (linux-image-[\w.+-]+)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error('apt knows no linux-image-cloud-amd64: apt-get update');
  const root = join(work, 'root');
  await unpack(work, root, [kernel, 'busybox-static', 'grub-pc-bin', 'grub-efi-amd64-bin']);

  const boot = await readdir(join(root, 'boot'));
  const vmlinuz = join(root, 'boot', boot.find((name) => name.startsWith('vmlinuz-'))!);
  const initrd = join(work, 'initrd');
  const busybox = await readFile(await firstOf(join(root, 'bin/busybox'), join(root, 'usr/bin/busybox')));
  await writeFile(
    initrd,
    gzipSync(
      cpioArchive([
        { name: 'bin', mode: 0o40755 },
        { name: 'bin/busybox', mode: 0o100755, bytes: busybox },
        { name: 'bin/sh', mode: 0o120777, bytes: Buffer.from('busybox') },
        { name: 'bin/login', mode: 0o120777, bytes: Buffer.from('busybox') },
        { name: 'dev', mode: 0o40755 },
        { name: 'dev/console', mode: 0o20600, device: [5, 1] },
        { name: 'init', mode: 0o100755, bytes: Buffer.from(init) },
      ]),
      { level: 6 },
    ),
  );
  const config = join(work, 'grub.cfg');
  await writeFile(config, grubConfig);
  const grub = join(root, 'usr/lib/grub');
  const modules = ['part_msdos', 'fat', 'normal', 'configfile', 'linux', 'serial', 'terminal', 'minicmd'];
  const core = join(work, 'core.img');
  await run('grub-mkimage', [
    ...['-O', 'i386-pc', '-d', join(grub, 'i386-pc'), '-o', core, '-p', '(hd0,msdos1)/grub'],
    ...['biosdisk', ...modules],
  ]);
  const efi = join(work, 'bootx64.efi');
  const early = join(work, 'early.cfg');
  await writeFile(
    early,
    'search --file --set=root /grub/grub.cfg\nset prefix=($root)/grub\nconfigfile /grub/grub.cfg\n',
  );
  await run('grub-mkimage', [
    ...['-O', 'x86_64-efi', '-d', join(grub, 'x86_64-efi'), '-o', efi, '-p', '/grub', '-c', early],
    ...['efi_gop', 'search', 'search_fs_file', ...modules],
  ]);
  await assemble(image, join(grub, 'i386-pc/boot.img'), core, [
    [vmlinuz, '::vmlinuz'],
    [initrd, '::initrd'],
    [config, '::grub/grub.cfg'],
    [efi, '::EFI/BOOT/BOOTX64.EFI'],
  ]);
}

async function unpack(work: string, root: string, packages: readonly string[]): Promise<void> {
  const debs = join(work, 'debs');
  await mkdir(debs);
  await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=', 'download', ...packages], { cwd: debs });
  for (const name of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, name), root]);
}

async function firstOf(...paths: string[]): Promise<string> {
  for (const path of paths) if (await exists(path)) return path;
  throw new Error(`none of ${paths.join(', ')}`);
}

/** What grub-install does: its first sector beside the partition table, the rest of it behind, before the partition. */
async function assemble(
  image: string,
  bootSector: string,
  core: string,
  files: readonly (readonly [string, string])[],
): Promise<void> {
  const handle = await open(image, 'w+');
  try {
    await handle.truncate(tinyGuestBytes);
  } finally {
    await handle.close();
  }
  const partition = `${image}@@${partitionSector * 512}`;
  const table = run('sfdisk', ['-q', image]);
  table.child.stdin?.end(`label: dos\nstart=${partitionSector}, type=ef, bootable\n`);
  await table;
  await run('mkfs.vfat', [
    ...['-F', '32', '-s', '1', '--offset', String(partitionSector), '-n', 'TINY', image],
    String((tinyGuestBytes - partitionSector * 512) / 1024),
  ]);
  await run('mmd', ['-i', partition, '::grub', '::EFI', '::EFI/BOOT']);
  for (const [from, to] of files) await run('mcopy', ['-i', partition, from, to]);
  const written = await open(image, 'r+');
  try {
    await written.write((await readFile(bootSector)).subarray(0, 440), 0, 440, 0);
    const rest = await readFile(core);
    if (rest.length > (partitionSector - 1) * 512) throw new Error('GRUB is too large');
    await written.write(rest, 0, rest.length, 512);
  } finally {
    await written.close();
  }
}
