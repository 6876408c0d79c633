/** libguestfs looks at the same image. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { inspectDisk } from '../../../src/guest/inspect.ts';
import { cached } from '../../../src/io/cached.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { diskOf, putMbr } from '../disks.ts';

const MiB = 2 ** 20;
const version = '6.1.0-18-amd64';
const uuid = '01234567-89ab-4def-8123-456789abcdef';

async function ubuntuLike(root: string): Promise<void> {
  const modules = `usr/lib/modules/${version}`;
  for (const folder of ['etc', 'usr/bin', 'usr/lib', 'var/lib/dpkg', 'boot/grub', 'tmp', modules])
    await mkdir(join(root, folder), { recursive: true });
  await symlink('usr/bin', join(root, 'bin'));
  await symlink('usr/lib', join(root, 'lib'));
  await copyFile('/bin/true', join(root, 'usr/bin/bash'));
  const packages = ['bash', 'libc6', 'linux-image-amd64', 'qemu-guest-agent'].map(
    (name) =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.${name.length}-3\nDescription: it\n`,
  );
  const removed = 'Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n';
  const files: Record<string, string> = {
    'etc/os-release':
      'PRETTY_NAME="Ubuntu 22.04.4 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n',
    'etc/hostname': 'oracle.example\n',
    'etc/fstab': `UUID=${uuid} / ext4 errors=remount-ro 0 1\n`,
    'var/lib/dpkg/status': [...packages, removed].join('\n'),
    [`boot/vmlinuz-${version}`]: 'a kernel',
    'boot/grub/grub.cfg': `menuentry 'Ubuntu' {\n linux /boot/vmlinuz-${version} root=UUID=${uuid} ro\n initrd /boot/initrd.img-${version}\n}\n`,
    [`${modules}/modules.builtin`]: 'kernel/drivers/nvme/host/nvme.ko\n',
    [`${modules}/modules.dep`]: 'kernel/drivers/ata/ahci.ko.xz:\nkernel/drivers/block/virtio_blk.ko.xz:\n',
  };
  for (const [path, content] of Object.entries(files)) await writeFile(join(root, path), content);
}

/** As initramfs-tools makes it: microcode that is not packed, then the rest. */
async function initramfs(root: string, work: string): Promise<void> {
  const early = join(work, 'early');
  const main = join(work, 'main');
  const ahci = `usr/lib/modules/${version}/kernel/drivers/ata`;
  await mkdir(join(early, 'kernel/x86/microcode'), { recursive: true });
  await writeFile(join(early, 'kernel/x86/microcode/GenuineIntel.bin'), 'microcode');
  await mkdir(join(main, ahci), { recursive: true });
  await mkdir(join(main, 'conf'), { recursive: true });
  await writeFile(join(main, 'conf/initramfs.conf'), '');
  await writeFile(join(main, ahci, 'ahci.ko.xz'), 'a module');
  const out = join(root, `boot/initrd.img-${version}`);
  const pack = (folder: string, filter: string) =>
    execFileSync('sh', [
      '-c',
      `cd "$1" && find . | cpio -o -H newc --quiet ${filter} >>"$2"`,
      'sh',
      folder,
      out,
    ]);
  pack(early, '');
  pack(main, '| zstd -q');
}

function theirs(image: string) {
  const env = { ...process.env, LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' };
  const xml = execFileSync('virt-inspector', ['--format=raw', '-a', image], {
    env,
    encoding: 'utf8',
    maxBuffer: 64 * MiB,
  });
  const text = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];
  return {
    name: text('product_name'),
    version: `${text('major_version')}.${text('minor_version')}`,
    architecture: text('arch'),
    hostname: text('hostname'),
    mounts: [...xml.matchAll(/<mountpoint dev="([^"]*)">([^<]*)</g)].map(([, device, point]) => [
      point,
      device,
    ]),
    packages: [...xml.matchAll(/<application>/g)].length,
  };
}

describeWith(['virt-inspector', 'mke2fs', 'cpio', 'zstd'], 'an image that virt-inspector looks into', () => {
  it('is the same to both', async () => {
    const work = await tempFolder();
    const root = join(work, 'root');
    await ubuntuLike(root);
    await initramfs(root, work);
    const filesystem = join(work, 'ext4.img');
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-U', uuid, '-d', root, filesystem, '24M']);
    const bytes = Buffer.alloc(26 * MiB);
    putMbr(bytes, [{ status: 0x80, id: 0x83, start: 2048, length: (24 * MiB) / 512 }]);
    (await readFile(filesystem)).copy(bytes, MiB);
    const image = join(work, 'disk.raw');
    await writeFile(image, bytes);

    const { systems, findings, bytesRead } = await inspectDisk(cached(diskOf(bytes)));
    expect(findings).toEqual([]);
    const [ours] = systems;
    const their = theirs(image);
    expect({
      name: ours!.name,
      // They take both parts for numbers.
      version: ours!.version!.split('.').map(Number).join('.'),
      architecture: ours!.architecture,
      hostname: ours!.hostname,
      mounts: ours!.space!.map(({ mountPoint }) => [mountPoint, '/dev/sda1']),
      packages: ours!.packages!.count,
    }).toEqual(their);
    expect(ours!.bootKernels).toMatchObject([
      {
        version,
        initramfs: `/boot/initrd.img-${version}`,
        initramfsMaker: 'initramfs-tools',
        isDefault: true,
        drivers: { ahci: 'initramfs', virtio_blk: 'module', nvme: 'builtin', vmxnet3: 'missing' },
      },
    ]);
    expect(ours!.tools).toEqual([{ id: 'qemu-guest-agent', version: '1:2.16-3' }]);
    expect(bytesRead).toBeLessThan(2 * MiB);
  }, 300_000);
});
