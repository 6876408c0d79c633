/** Root filesystems that never started by themselves: busybox, as under User Mode Linux or in a container. */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const bareRootTools = ['busybox', 'mke2fs'] as const;

const rcS = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -o remount,rw /
/bin/busybox --install -s
mount -t sysfs sysfs /sys
hostname carried
ifup -a
`;
/** udhcpc's own words for what it was given. */
const dhcp = '#!/bin/sh\n[ "$1" = bound ] && ifconfig $interface $ip netmask $subnet\nexit 0\n';

const everywhere: Readonly<Record<string, string>> = {
  'etc/os-release': 'ID=tiny\nNAME=Tiny\nPRETTY_NAME="Tiny Linux"\n',
  'etc/passwd': 'root::0:0:root:/:/bin/sh\n',
  'etc/group': 'root:x:0:\n',
};

const rootOf = {
  uml: {
    'etc/inittab': '::sysinit:/etc/init.d/rcS\ntty0::respawn:/sbin/getty 38400 tty0\n',
    'etc/fstab': '/dev/ubda / ext4 defaults 0 1\nproc /proc proc defaults 0 0\n',
    'etc/network/interfaces':
      'auto eth0\niface eth0 inet static\n  address 10.9.8.7\n  netmask 255.255.255.0\n',
  },
  openvz: {
    'etc/inittab': '::sysinit:/etc/init.d/rcS\n',
    'etc/fstab': 'none /dev/pts devpts rw 0 0\n',
    'etc/network/interfaces':
      'auto venet0\niface venet0 inet static\n  address 127.0.0.2\n  netmask 255.255.255.255\n\nauto venet0:0\niface venet0:0 inet static\n  address 192.0.2.7\n  netmask 255.255.255.255\n',
  },
} as const;

/** An ext4 filesystem on a whole disk. */
export async function bareRoot(folder: string, kind: keyof typeof rootOf): Promise<string> {
  const root = join(folder, kind);
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  for (const name of [
    'bin',
    'sbin',
    'usr/bin',
    'usr/sbin',
    'dev',
    'proc',
    'sys',
    'tmp',
    'run',
    'var/run',
    'boot',
    'mnt',
  ])
    await mkdir(join(root, name), { recursive: true });
  for (const step of ['pre-up', 'up', 'down', 'post-down'])
    await mkdir(join(root, `etc/network/if-${step}.d`), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  for (const name of ['bin/sh', 'sbin/init']) await symlink('/bin/busybox', join(root, name));
  for (const [path, text] of Object.entries({ ...everywhere, ...rootOf[kind] })) await put(path, text);
  for (const [path, text] of [
    ['etc/init.d/rcS', rcS],
    ['etc/udhcpc/default.script', dhcp],
  ] as const) {
    await put(path, text);
    await chmod(join(root, path), 0o755);
  }
  const image = join(folder, `${kind}.ext4`);
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', root, image, '96M']);
  return image;
}
