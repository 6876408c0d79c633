import { describe, expect, it } from 'vitest';
import type { OpenDisk } from '../../../../src/env-plugins/plugin.ts';
import type { DiskDevice } from '../../../../src/env-plugins/vsphere/devices.ts';
import type { LeaseDevice } from '../../../../src/env-plugins/vsphere/lease.ts';
import { openByWay } from '../../../../src/env-plugins/vsphere/ways/choose.ts';
import { deviceOf } from '../../../../src/env-plugins/vsphere/ways/lease.ts';
import type { Way, WayId, WaySubject } from '../../../../src/env-plugins/vsphere/ways/way.ts';
import { memorySource } from '../../../../src/io/byte-source.ts';
import { AppError } from '../../../../src/model/errors.ts';

const never = new AbortController().signal;
const disk = { key: 2000, label: 'Hard disk 1', bus: 'scsi', controller: 1, unit: 0 } as DiskDevice;
const subject = { disk, diskId: 'disk-2000', machine: { name: 'web' } } as WaySubject;

const open: OpenDisk = {
  source: memorySource(Buffer.alloc(512), 'disk'),
  sibling: () => Promise.reject(new Error('none')),
};

const way = (id: WayId, whyNot?: string, error?: AppError): Way => ({
  id,
  label: `the ${id}`,
  whyNot: async () => whyNot,
  open: async () => {
    if (error !== undefined) throw error;
    return open;
  },
});

describe('the choice of a way', () => {
  const broken = new AppError('unreachable', 'nobody answers');
  const ways = [
    way('ssh', 'no SSH user is given'),
    way('host', undefined, broken),
    way('files'),
    way('lease'),
  ];

  it('takes the first that is offered and opens, and tells of those before', async () => {
    const { way: taken, finding } = await openByWay(ways, 'auto', subject, never);
    expect(taken.id).toBe('files');
    expect(finding).toMatchObject({
      rule: 'vsphere.way',
      severity: 'note',
      evidence: 'Hard disk 1',
      message:
        'read by way of: the files. Not by the faster ones: the ssh: no SSH user is given; the host: nobody answers',
    });
  });

  it('takes the one that is named and no other', async () => {
    expect((await openByWay(ways, 'lease', subject, never)).finding.message).toBe(
      'read by way of: the lease',
    );
    await expect(openByWay(ways, 'host', subject, never)).rejects.toBe(broken);
    await expect(openByWay(ways, 'ssh', subject, never)).rejects.toMatchObject({
      kind: 'unsupported',
      message: "Hard disk 1 can't be read: the ssh: no SSH user is given",
    });
  });

  it('is over with a cancel, and with the first error when there is no other way', async () => {
    const cancelled = new AppError('cancelled', 'cancelled');
    await expect(
      openByWay([way('host', undefined, cancelled), way('files')], 'auto', subject, never),
    ).rejects.toBe(cancelled);
    const last = new AppError('unsupported', 'the server does not know this call');
    const both = [way('files', undefined, broken), way('lease', undefined, last)];
    await expect(openByWay(both, 'auto', subject, never)).rejects.toBe(broken);
  });
});

describe('the device of an export', () => {
  const device = (key: string, isDisk = true) => ({ key, disk: isDisk }) as LeaseDevice;

  it('is known by its controller and unit', () => {
    const devices = [
      device('/vm-7/VirtualLsiLogicController0:0'),
      device('/vm-7/ParaVirtualSCSIController1:0'),
      device('/vm-7/VirtualAHCIController1:0'),
      device('/vm-7/VirtualIDEController1:0', false),
      device('/vm-7/nvram', false),
    ];
    expect(deviceOf(devices, disk, 'web')).toBe(devices[1]);
    expect(deviceOf(devices, { ...disk, bus: 'sata' }, 'web')).toBe(devices[2]);
    expect(() => deviceOf(devices, { ...disk, bus: 'ide' }, 'web')).toThrow(/no disk/);
    expect(() => deviceOf(devices, { ...disk, unit: undefined }, 'web')).toThrow(/no disk/);
    expect(() => deviceOf([devices[1]!, devices[1]!], disk, 'web')).toThrow(/several/);
  });
});
