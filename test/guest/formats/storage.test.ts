import { expect, it } from 'vitest';
import { parseCrypttab } from '../../../src/guest/formats/storage/crypttab.ts';
import { deviceName } from '../../../src/guest/formats/storage/device-name.ts';
import { parseLvmDevices } from '../../../src/guest/formats/storage/lvm-devices.ts';
import { parseMdadmConf } from '../../../src/guest/formats/storage/mdadm.ts';

it('crypttab', () => {
  expect(
    parseCrypttab('# x\nsda3_crypt UUID=1-2 none luks,discard\nswap /dev/sda5 /dev/urandom swap\nbad\n'),
  ).toEqual([
    { name: 'sda3_crypt', device: 'UUID=1-2', options: ['luks', 'discard'] },
    { name: 'swap', device: '/dev/sda5', keyFile: '/dev/urandom', options: ['swap'] },
  ]);
});

it('mdadm.conf', () => {
  const text =
    'HOMEHOST <system>\nARRAY /dev/md/0  level=raid1 metadata=1.2 # y\n   UUID=AB:cd name=host:0\narr /dev/md1 uuid=1:2\n';
  expect(parseMdadmConf(text)).toEqual([
    { device: '/dev/md/0', uuid: 'ab:cd', name: 'host:0', level: 'raid1' },
    { device: '/dev/md1', uuid: '1:2' },
  ]);
});

it('devices of LVM', () => {
  const text =
    '# LVM uses devices listed in this file.\nHASH=1\nVERSION=1.1.2\nIDTYPE=sys_wwid IDNAME=t10.ATA DEVNAME=/dev/sda2 PVID=abc PART=2\nIDTYPE=devname IDNAME=/dev/vdb DEVNAME=/dev/vdb PVID=.\n';
  expect(parseLvmDevices(text)).toEqual([
    { idType: 'sys_wwid', idName: 't10.ATA', deviceName: '/dev/sda2', pvid: 'abc', partition: 2 },
    { idType: 'devname', idName: '/dev/vdb', deviceName: '/dev/vdb' },
  ]);
});

it('names of devices', () => {
  const kinds = (...names: string[]) => names.map((name) => deviceName(name).kind);
  expect(kinds('UUID=1-2', 'LABEL="/"', 'PARTUUID=x', '/dev/disk/by-uuid/9')).toEqual([
    'uuid',
    'label',
    'partuuid',
    'uuid',
  ]);
  expect(kinds('/dev/sda1', '/dev/nvme0n1p2', '/dev/vda', '/dev/xvdb1', '/dev/ubda')).toEqual(
    Array(5).fill('bus'),
  );
  expect(
    kinds('/dev/mapper/vg-lv', '/dev/vg/root', '/dev/md0', '/dev/disk/by-id/x', 'tmpfs', '/dev/fd0'),
  ).toEqual(['mapper', 'mapper', 'md', 'hardware', 'other', 'other']);
  expect(deviceName('LABEL="/"')).toEqual({ kind: 'label', value: '/', survivesBusChange: true });
});
