import { expect, test } from 'vitest';
import { makePlan, type PlanRequest } from '../../src/convert/make-plan.ts';
import { proofFindings } from '../../src/convert/proof-findings.ts';
import type { DestinationRole } from '../../src/env-plugins/plugin.ts';
import type { Plan } from '../../src/model/plan.ts';

const request: PlanRequest = {
  source: { environment: 'local', settings: {}, machine: '/x/web.raw', follow: false },
  machine: {
    id: '/x/web.raw',
    name: 'web',
    state: 'off',
    disks: [{ id: 'disk0', name: 'web.raw', files: ['/x/web.raw'] }],
    nics: [],
    findings: [],
  },
  product: 'files',
  folder: '/out',
  format: 'raw',
  options: {},
  force: false,
  sync: false,
};
const rules = (plan: Plan, product?: string) =>
  proofFindings(plan, (product === undefined ? {} : { product }) as DestinationRole).map(({ rule }) => rule);

test('what can not be read back is told before a byte moves', () => {
  const proof = { verify: true };
  expect(rules(makePlan({ ...request, proof }))).toEqual([]);
  expect(rules(makePlan({ ...request, proof, file: 'web.raw.age' }))).toEqual(['verify.encrypted']);
  const ova = makePlan({ ...request, proof, container: 'ova', format: 'vmdk' });
  expect(rules(ova)).toEqual([]);
  expect(rules({ ...ova, destination: { ...ova.destination, splitBytes: 2 ** 20 } })).toEqual([
    'verify.parts-of-package',
  ]);
});

test('sums are for folders', () => {
  const plan = makePlan({ ...request, proof: { sums: true } });
  expect(rules(plan)).toEqual([]);
  expect(rules(plan, 'qemu')).toEqual(['sums.no-folder']);
});
