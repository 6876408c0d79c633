import { describe, expect, it } from 'vitest';
import { mountedFiles } from '../../src/guest/mounted-files.ts';
import { memoryFiles } from './change/memory-files.ts';

const root = memoryFiles({
  '/@/etc/fstab': 'root',
  '/@/boot/hidden': 'below a mount',
  '/@/vmlinuz': { link: 'boot/vmlinuz-1' },
  '/@/usr/lib/os-release': 'ID=x\n',
  '/@/etc/os-release': { link: '../usr/lib/os-release' },
  '/@/loop': { link: '/loop' },
});
const boot = memoryFiles({ '/vmlinuz-1': 'kernel', '/grub/grub.cfg': { link: '/etc/fstab' } });

const files = mountedFiles([
  { mountPoint: '/', files: root, folder: '/@' },
  { mountPoint: '/boot', files: boot },
]);

const text = async (path: string) => (await files.read(path, 1000))?.toString();

describe('mounted files', () => {
  it('follow links from one volume into another', async () => {
    expect(await text('/vmlinuz')).toBe('kernel');
    expect(await text('/boot/grub/grub.cfg')).toBe('root');
    expect(await text('/etc/os-release')).toBe('ID=x\n');
    expect(await text('/boot/hidden')).toBeUndefined();
    expect(await files.list('/boot')).toEqual(['grub', 'vmlinuz-1']);
    expect(await files.lstat('/vmlinuz')).toMatchObject({ kind: 'link' });
    await expect(files.stat('/loop')).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('tell where a path lies', () => {
    expect(files.place('/etc/new')).toMatchObject({ path: '/@/etc/new', mount: { mountPoint: '/' } });
    expect(files.place('/boot')).toMatchObject({ path: '/', mount: { mountPoint: '/boot' } });
    expect(files.place('/bootx')).toMatchObject({ path: '/@/bootx' });
  });
});
