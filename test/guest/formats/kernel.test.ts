import { expect, it } from 'vitest';
import { hasDriver } from '../../../src/guest/formats/kernel/drivers.ts';
import { readKernelImage } from '../../../src/guest/formats/kernel/image.ts';
import {
  loadOrder,
  parseBuiltinModinfo,
  parseKernelConfig,
  parseModulesAlias,
  parseModulesBuiltin,
  parseModulesDep,
} from '../../../src/guest/formats/kernel/modules.ts';

const dep = parseModulesDep(
  'kernel/a/virtio_ring.ko:\nkernel/a/virtio.ko.xz: kernel/a/virtio_ring.ko\nkernel/b/virtio-blk.ko.zst: kernel/a/virtio.ko.xz kernel/a/virtio_ring.ko\nbroken\n',
);

it('modules and what they need', () => {
  expect(loadOrder(dep, 'virtio-blk')).toEqual([
    'kernel/a/virtio_ring.ko',
    'kernel/a/virtio.ko.xz',
    'kernel/b/virtio-blk.ko.zst',
  ]);
  expect(loadOrder(dep, 'nvme')).toBeUndefined();
  expect(parseModulesAlias('# x\nalias pci:v00001AF4d* virtio-pci\nalias bad\n')).toEqual([
    { pattern: 'pci:v00001AF4d*', module: 'virtio_pci' },
  ]);
});

it('where a driver is', () => {
  const builtin = parseModulesBuiltin('kernel/drivers/ata/ahci.ko\nkernel/x/dm-mod.ko\n');
  expect([...parseBuiltinModinfo(Buffer.from('dm_mod.file=drivers/md/dm-mod\0kgdboc.parm=x\0'))]).toEqual([
    'dm_mod',
  ]);
  const config = parseKernelConfig(
    'CONFIG_VIRTIO_BLK=m\nCONFIG_BLK_DEV_NVME=y\n# CONFIG_ENA_ETHERNET is not set\n',
  );
  expect(hasDriver({ builtin }, 'dm-mod')).toBe('builtin');
  expect(hasDriver({ builtin }, 'nvme')).toBe('unknown');
  expect(hasDriver({ builtin, modules: dep }, 'nvme')).toBe('none');
  expect(hasDriver({ config }, 'nvme')).toBe('builtin');
  expect(hasDriver({ config }, 'virtio_blk')).toBe('configured');
  expect(hasDriver({ config }, 'ena')).toBe('none');
  expect(hasDriver({ config, modules: dep }, 'virtio_blk')).toBe('module');
  expect(hasDriver({ config, modules: dep, initramfs: ['virtio_blk'] }, 'virtio_blk')).toBe('initramfs');
});

it('kernel images', async () => {
  const image = Buffer.alloc(0x1000);
  image.write('HdrS', 0x202);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt16LE(0x400, 0x20e);
  image.writeUInt16LE(0x2b, 0x236);
  image.write('6.1.0-18-amd64 (debian-kernel@…) #1 SMP', 0x600);
  expect(await readKernelImage(image)).toEqual({
    kind: 'bzImage',
    architecture: 'x86_64',
    efi64: true,
    release: '6.1.0-18-amd64',
  });
  image.writeUInt16LE(0xffff, 0x20e);
  expect(await readKernelImage(image)).not.toHaveProperty('release');
  const arm = Buffer.alloc(64);
  arm.write('ARM\x64', 56, 'latin1');
  expect(await readKernelImage(arm)).toEqual({ kind: 'arm64-image', architecture: 'aarch64' });
  expect(await readKernelImage(Buffer.alloc(0x1000))).toBeUndefined();
  expect(await readKernelImage(Buffer.alloc(3))).toBeUndefined();
});
