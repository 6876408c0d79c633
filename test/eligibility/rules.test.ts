/** Each rule of each pack with a machine that breaks it and one that does not; a rule without such a pair fails. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../src/eligibility/judge.ts';
import { builtInFiles } from '../../src/eligibility/packs.ts';
import * as clouds from './cases/clouds.ts';
import { guest } from './cases/guest.ts';
import * as hypervisors from './cases/hypervisors.ts';
import { factsOf, type PackCases } from './facts.ts';

const { xcpNg, hypervGen1, hypervGen2, ...others } = hypervisors;
const cases: Readonly<Record<string, PackCases>> = {
  ...{ guest, 'xcp-ng': xcpNg, 'hyperv-gen1': hypervGen1, 'hyperv-gen2': hypervGen2 },
  ...others,
  ...clouds,
};

describe.each(builtInFiles())('$id', (pack) => {
  const { base, rules } = cases[pack.id] ?? { base: {}, rules: {} };

  it('has a pair for each of its rules, and for no other', () => {
    expect(Object.keys(rules).sort()).toEqual(pack.rules.map(({ id }) => id).sort());
  });

  it.each(pack.rules)('$id', ({ id, severity, change }) => {
    const { on = 'linux', breaks, keeps = {}, says } = rules[id]!;
    const name = `${pack.id}.${id}`;
    const ask = (patch: object) => judge(factsOf(base, on, patch as never), [pack])[0]!;
    const broken = ask(breaks).findings.find(({ rule }) => rule === name);
    expect(broken).toMatchObject({ severity, ...(change === undefined ? {} : { change }) });
    expect(broken!.message).not.toContain('?');
    if (says !== undefined) expect(`${broken!.message} ${broken!.evidence}`).toContain(says);
    const { findings, open } = ask(keeps);
    expect([...findings, ...open].map(({ rule }) => rule)).not.toContain(name);
  });
});
