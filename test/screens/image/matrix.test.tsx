/** The matrix of destinations: read without colour, its remedy chosen with a key. */
import { expect, test } from 'vitest';
import type { Judgement } from '../../../src/model/judgement.ts';
import { drawApp, keys } from '../draw.tsx';
import { imageState } from '../states-run.ts';

const about = { version: '1', date: '2026-11-23', open: [] };
const finding = { source: 'a manual', title: 't' };
const judgements: readonly Judgement[] = [
  { ...about, pack: 'kvm', label: 'KVM / libvirt', verdict: 'runs', findings: [] },
  {
    ...{ ...about, pack: 'hyperv-gen2', label: 'Hyper-V generation 2', verdict: 'runs-with-changes' },
    findings: [
      {
        ...{ ...finding, rule: 'hyperv-gen2.firmware', severity: 'blocker' },
        message: 'generation 2 starts by UEFI; the machine has BIOS',
        change: { plan: 'firmware', to: 'uefi' },
      },
      {
        ...{ ...finding, rule: 'hyperv-gen2.bus', severity: 'note', message: 'no driver' },
        change: { plan: 'bus', to: 'sata' },
      },
      {
        ...{ ...finding, rule: 'hyperv-gen2.console', severity: 'note', message: 'nothing is shown' },
        change: { guest: 'console.serial' },
      },
    ],
  },
  {
    ...{ ...about, pack: 'aws', label: 'AWS EC2', verdict: 'blocked' },
    findings: [
      {
        ...{ ...finding, rule: 'aws.grub', severity: 'blocker' },
        ...{ message: 'the boot loader is not GRUB', remedy: 'import a snapshot' },
      },
      {
        ...{
          ...finding,
          rule: 'aws.names-by-device',
          severity: 'warning',
          message: '/ is mounted as /dev/sda1',
        },
        change: { guest: 'names.fstab' },
      },
    ],
  },
  {
    ...{ ...about, pack: 'gcp', label: 'Google Cloud', verdict: 'unknown', findings: [] },
    open: [{ rule: 'gcp.grub', severity: 'blocker', missing: ['system.bootloader.kind'] }],
  },
];

const state = {
  ...imageState,
  machines: {
    ...imageState.machines,
    items: imageState.machines.items.map((item) => ({ ...item, judgements })),
  },
};

test('letters say the verdicts; the findings follow the cursor', async () => {
  const { shows, press, port } = drawApp(state);
  await shows('5 machines');
  await press(keys.end, 'm');
  const frame = await shows('4 destinations');
  expect(port.sent.at(-1)).toMatchObject({ type: 'judge-machine' });
  expect(frame).toMatch(/R +KVM \/ libvirt +runs/);
  expect(frame).toMatch(/B +AWS EC2 +blocked +1B 1C/);
  expect(frame).toMatch(/\? +Google Cloud +not known/);
  await press(keys.down, keys.down, keys.enter);
  const all = await shows('vmferry will make it: change names.fstab in the guest');
  expect(all).toContain('what to do: import a snapshot');
  await press(keys.esc);
  await shows('4 destinations');
  await press(keys.esc);
  await shows('5 machines');
});

test('a remedy is chosen with a key', async () => {
  const { shows, press, port } = drawApp(state);
  await shows('5 machines');
  await press(keys.home, 'm');
  await shows('4 destinations');
  await press('c');
  await shows(/Not now: nothing here is changed/);
  await press(keys.down, 'c');
  await expect
    .poll(() => port.sent.slice(-2))
    .toMatchObject([
      {
        type: 'edit-machine',
        change: { firmware: { kind: 'uefi' }, diskBus: 'sata', guest: { add: { serialConsole: true } } },
      },
      { type: 'judge-machine' },
    ]);
});
