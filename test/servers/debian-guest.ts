/** A small Debian as it would come from VMware, see `debian-guest.sh`. Made once and kept on this computer. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = new URL('debian-guest.sh', import.meta.url).pathname;

export const debianGuestTools = [
  ...['mmdebstrap', 'grub-mkimage', 'mke2fs', 'debugfs', 'mkfs.vfat', 'mcopy', 'sfdisk'],
  'qemu-system-x86_64',
] as const;

export interface DebianGuest {
  /** Raw images, not to be changed. MBR and ext4; GPT, an EFI system partition and ext4. */
  readonly bios: string;
  readonly uefi: string;
  /** The tree that both are made of. */
  readonly root: string;
}

/** Takes a minute or two the first time. @throws where this is not root, or the packages can't be had. */
export async function debianGuest(): Promise<DebianGuest> {
  const mark = createHash('sha256')
    .update(await readFile(script))
    .digest('hex')
    .slice(0, 12);
  const folder = join(tmpdir(), `vmferry-debian-guest-${userInfo().uid}-${mark}`);
  if (
    !(await stat(folder).then(
      () => true,
      () => false,
    ))
  ) {
    const work = `${folder}-${process.pid}`;
    try {
      await mkdir(work, { mode: 0o755 });
      await run('bash', [script, work], { maxBuffer: 2 ** 26 });
      // Somebody else may have been faster.
      await rename(work, folder).catch((error) => {
        if (error.code !== 'ENOTEMPTY') throw error;
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return { bios: join(folder, 'bios.raw'), uefi: join(folder, 'uefi.raw'), root: join(folder, 'root') };
}
