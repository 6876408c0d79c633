import { describe, expect, it } from 'vitest';
import { guestMounts } from '../../src/guest/mounts.ts';
import type { FilesVolume } from '../../src/guest/open-files-of.ts';
import { type MemoryTree, memoryFiles } from './change/memory-files.ts';
import { diskOf } from './disks.ts';

const facts = { blockBytes: 4096, sizeBytes: 1e9, state: 'clean', notes: [] } as const;

interface About {
  readonly label?: string;
  readonly type?: string;
  readonly deviceNames?: readonly string[];
  /** UUID of the LUKS volume that it lies in. */
  readonly inLuks?: string;
}

function volumeWith(tree: MemoryTree, number: number, about: About = {}): FilesVolume {
  const { label, type = '', deviceNames = [], inLuks } = about;
  const partition = { number, startBytes: 0, lengthBytes: 1e9, type, typeName: '', bootable: false };
  const kind = { state: 'clean', readable: true } as const;
  const plain = { name: `partition ${number}`, deviceNames, sizeBytes: 1e9, disk: diskOf(Buffer.alloc(512)) };
  const outer = { ...plain, made: 'partition', partition, diskNumber: 0, inside: [] };
  const inner = { kind: 'ext4', ...kind, ...(label === undefined ? {} : { label }) };
  return {
    volume:
      inLuks === undefined
        ? { ...outer, volume: inner }
        : {
            ...plain,
            made: 'luks',
            volume: inner,
            inside: [{ ...outer, volume: { kind: 'luks2', uuid: inLuks, ...kind } }],
          },
    files: { ...memoryFiles(tree), facts },
  };
}

async function mountsOf(all: readonly FilesVolume[]) {
  const looking = { disk: diskOf(Buffer.alloc(512)), signal: undefined, findings: [] };
  const tree = await guestMounts(all[0]!, all, looking);
  return Object.fromEntries((tree?.mounts ?? []).map((m) => [m.mountPoint, `${m.folder ?? ''}${m.name}`]));
}

describe('the mounts of a system', () => {
  it('are found by names of crypttab, of device-mapper, and of labels with a blank', async () => {
    const root = volumeWith(
      {
        '/etc/crypttab': 'home_crypt UUID=4444 none luks\n',
        '/etc/fstab':
          '/dev/mapper/home_crypt /home ext4\n/dev/disk/by-id/dm-name-vg-srv /srv ext4\n' +
          '/dev/disk/by-label/a\\x20b /opt ext4\n/dev/mapper/other /mnt ext4\n',
      },
      1,
    );
    const all = [
      root,
      volumeWith({}, 2, { inLuks: '4444' }),
      volumeWith({}, 3, { deviceNames: ['/dev/mapper/vg-srv'] }),
      volumeWith({}, 4, { label: 'a b' }),
    ];
    expect(await mountsOf(all)).toEqual({
      '/': 'partition 1',
      '/home': 'partition 2',
      '/srv': 'partition 3',
      '/opt': 'partition 4',
    });
  });

  it('are those of systemd where fstab says nothing', async () => {
    const esp = volumeWith({}, 2, { type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b' });
    const home = volumeWith({}, 3, { type: '933ac7e1-2eb4-4f13-b844-0e14e2aef915' });
    const files = { '/etc/os-release': '', '/boot/x': '', '/home/x': '' };
    const systemd = { ...files, '/usr/lib/systemd/systemd': '' };
    expect(await mountsOf([volumeWith(systemd, 1), esp, home])).toEqual({
      '/': 'partition 1',
      '/boot': 'partition 2',
      '/home': 'partition 3',
    });
    expect(await mountsOf([volumeWith(files, 1), esp, home])).toEqual({ '/': 'partition 1' });
  });

  it('are the deployment of OSTree and what lies beside it', async () => {
    const deployments = '/ostree/deploy/fedora/deploy';
    const root = volumeWith(
      {
        '/ostree/boot.1/fedora/abc/0': { link: '../../../deploy/fedora/deploy/f00.0' },
        [`${deployments}/f00.0/etc/os-release`]: 'ID=fedora',
        [`${deployments}/f00.0/usr/bin/x`]: '',
        [`${deployments}/bad.0/usr/bin/x`]: '',
      },
      1,
    );
    const shared = { '/': `${deployments}/f00.0partition 1`, '/var': '/ostree/deploy/fedora/varpartition 1' };
    expect(await mountsOf([root])).toEqual({ ...shared, '/boot': '/bootpartition 1' });
    const boot = volumeWith({}, 2, { label: 'boot' });
    expect(await mountsOf([root, boot])).toEqual({ ...shared, '/boot': 'partition 2' });
  });
});
