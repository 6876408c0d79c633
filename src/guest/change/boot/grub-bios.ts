/**
 * GRUB for a BIOS, made by the GRUB of this computer: `boot.img` beside the partition table, `core.img` behind it in
 * the gap before the first partition. As it is made, boot.img reads sector 1, and core.img's first sector the ones that
 * follow: nothing in them is to be patched. (GRUB manual, "BIOS installation"; grub-core/boot/i386/pc/boot.S, diskboot.S)
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, toAppError } from '../../../model/errors.ts';

const run = promisify(execFile);

/** Debian, Fedora and SUSE, Arch. */
const folders = ['/usr/lib/grub/i386-pc', '/usr/share/grub2/i386-pc'];
const programs = ['grub-mkimage', 'grub2-mkimage'];
const filesystemModules: Readonly<Record<string, string>> = {
  ...{ ext2: 'ext2', ext3: 'ext2', ext4: 'ext2', xfs: 'xfs', btrfs: 'btrfs' },
};
const modules = [
  'biosdisk',
  'part_msdos',
  'search',
  'search_fs_uuid',
  'normal',
  'configfile',
  'linux',
  'gzio',
  'echo',
  'ls',
];
const sectorBytes = 512;
/** What of the first sector is no table: PC partition tables begin with the disk's signature at 440. */
const codeBytes = 440;

export interface BiosLoader {
  /** The first 440 bytes of the disk. */
  readonly code: Buffer;
  /** From sector 1 on. */
  readonly core: Buffer;
}

/** One that reads /boot/grub/grub.cfg of the filesystem with this UUID. @throws AppError `not-found`, `unsupported`. */
export async function makeBiosLoader(kind: string, uuid: string): Promise<BiosLoader> {
  const filesystem = filesystemModules[kind];
  if (filesystem === undefined) throw new AppError('unsupported', `GRUB is not made for ${kind} here`);
  const folder = await firstFolder();
  const work = await mkdtemp(join(tmpdir(), 'vmferry-grub-'));
  try {
    const [early, core] = [join(work, 'early.cfg'), join(work, 'core.img')];
    await writeFile(early, `search.fs_uuid ${uuid} root\nset prefix=($root)/boot/grub\n`);
    await mkimage([
      ...['-O', 'i386-pc', '-d', folder, '-o', core, '-c', early, '-p', '/boot/grub'],
      ...[...modules, filesystem],
    ]);
    const first = await readFile(join(folder, 'boot.img'));
    if (first.length !== sectorBytes)
      throw new AppError('unsupported', `boot.img has ${first.length} bytes, 512 were expected`, {
        where: folder,
      });
    return { code: first.subarray(0, codeBytes), core: await readFile(core) };
  } catch (error) {
    throw toAppError(error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function firstFolder(): Promise<string> {
  for (const folder of folders)
    if (
      await stat(join(folder, 'boot.img')).then(
        () => true,
        () => false,
      )
    )
      return folder;
  throw missing();
}

async function mkimage(args: readonly string[]): Promise<void> {
  for (const program of programs) {
    try {
      await run(program, args);
      return;
    } catch (error) {
      const { code, stderr = '' } = error as NodeJS.ErrnoException & { stderr?: string };
      if (code === 'ENOENT') continue;
      throw new AppError('unsupported', `${program}: ${stderr.trim().slice(0, 500)}`, { cause: error });
    }
  }
  throw missing();
}

const missing = () =>
  new AppError('not-found', 'GRUB for a BIOS is not on this computer', {
    hint: 'install it here: grub-common and grub-pc-bin (Debian), grub2-tools and grub2-pc-modules (Fedora)',
  });
