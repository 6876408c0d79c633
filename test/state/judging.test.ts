/** What the rules of the chosen product say is advice in the plan's findings: it forbids nothing. */
import { expect, it } from 'vitest';
import { productFindings } from '../../src/state/effects/judging.ts';
import { factsOf } from '../eligibility/facts.ts';

const judged = (patch: object, guest?: object) => {
  const facts = factsOf({}, 'linux', patch as never);
  const destination = { product: 'qemu', container: 'disks', format: 'qcow2', options: {} };
  const plan = { machine: facts.machine, source: {}, destination, ...(guest === undefined ? {} : { guest }) };
  return productFindings(plan as never, facts as never, { services: {} } as never);
};

it('advises, and says what vmferry makes by itself', async () => {
  expect(await judged({})).toEqual([]);
  expect(await judged({ 'system.architecture': 'aarch64' })).toMatchObject([
    { rule: 'kvm.arm', severity: 'warning' },
  ]);
  const byName = { 'system.mounts.0.device': '/dev/sda1' };
  expect(await judged(byName)).toMatchObject([{ rule: 'kvm.names-by-device', severity: 'warning' }]);
  expect(await judged(byName, { changes: 'needed' })).toMatchObject([
    { severity: 'note', remedy: 'vmferry will make it: change names.fstab in the guest' },
  ]);
});
