import { expect, it } from 'vitest';
import { findNetworkDrivers } from '../../../../src/guest/change/linux/network-drivers.ts';
import type { DriverPlace } from '../../../../src/model/guest-report.ts';
import { asked, type Given } from './plan-one.ts';

const version = '6.1.0-50-cloud-amd64';
/** As Debian's kernel for clouds has them. */
const cloud: Record<string, DriverPlace> = {
  ...{ virtio_pci: 'builtin', virtio_net: 'module', vmxnet3: 'module' },
  ...{ e1000: 'missing', e1000e: 'missing', '8139cp': 'missing', pcnet32: 'missing' },
};

async function findings(models: readonly (string | undefined)[], given: Given = {}, drivers = cloud) {
  const nics = models.map((model) => (model === undefined ? {} : { model }));
  const bootKernels = [
    { version: '6.1.0-49-amd64', isDefault: false, drivers: { e1000: 'missing' } as const },
    { version, isDefault: true, drivers },
  ];
  const done = await asked(
    findNetworkDrivers,
    {},
    {},
    {
      ...given,
      target: { nics },
      system: { bootKernels, ...given.system },
    },
  );
  expect(done.edits).toEqual([]);
  return done.findings;
}

it('a card that the kernel has no driver for is told, with those that it has', async () => {
  expect(await findings(['e1000', 'e1000', 'virtio'])).toEqual([
    {
      rule: 'guest.nic-driver-missing',
      severity: 'warning',
      message: `kernel ${version} has no driver e1000: it would have no network by a card of model e1000`,
      evidence: version,
      remedy: expect.stringMatching(/: --nic-model virtio \(it also has drivers for vmxnet3\); or install /),
    },
  ]);
  const none = await findings(['e1000'], {}, { ...cloud, virtio_net: 'missing', vmxnet3: 'missing' });
  expect(none[0]!.remedy).toMatch(/^install a kernel/);
});

it('nothing is told of a card that is driven, or of which nothing is known', async () => {
  expect(await findings(['virtio', 'vmxnet3', 'sungem', undefined])).toEqual([]);
  expect(await findings(['e1000'], {}, {})).toEqual([]);
  expect(await findings(['e1000'], { system: { bootKernels: [] } })).toEqual([]);
});

it('the kernel that is given takes the place of its own', async () => {
  const wish = { changes: 'needed', kernel: { image: '/vmlinuz' } } as const;
  expect(await findings(['e1000'], { wish })).toEqual([]);
});
