import { expect, test } from 'vitest';
import { proofField } from '../../../src/screens/configuration/proof-fields.ts';
import type { Destination, State } from '../../../src/state/state.ts';
import { configState } from '../states-run.ts';

const away = { status: 'connected', product: 'qemu', label: 'lab' } as unknown as Destination;
const with_ = (proof: State['draft']['proof'], destination = configState.destination): State => ({
  ...configState,
  destination,
  draft: { ...configState.draft, ...(proof === undefined ? {} : { proof }) },
});
const applied = (state: State, value: string) => proofField(state).apply(value);

test('a folder has sums as well, an environment is read back only', () => {
  const values = (state: State) => {
    const field = proofField(state);
    return field.kind === 'choice' ? field.choices.map(({ value }) => value) : [];
  };
  expect(values(with_(undefined))).toEqual(['no', 'sums', 'verify']);
  expect(values(with_(undefined, away))).toEqual(['no', 'verify']);
  expect(proofField(with_(undefined))).toMatchObject({ value: 'no', changed: false });
  expect(proofField(with_({ verify: true }))).toMatchObject({
    value: 'verify',
    changed: true,
    shown: 'yes, read it back, and write SHA256SUMS',
  });
});

test('a choice is set in the draft, and what else was said of it stays', () => {
  const draft = (proof: State['draft']['proof']) => ({ command: { type: 'draft', change: { proof } } });
  expect(applied(with_(undefined), 'sums')).toEqual(draft({ sums: true }));
  expect(applied(with_({ sums: true, digest: 'sha256' }), 'verify')).toEqual(
    draft({ digest: 'sha256', verify: true }),
  );
  expect(applied(with_({ verify: true }), 'no')).toEqual(draft(undefined));
});
