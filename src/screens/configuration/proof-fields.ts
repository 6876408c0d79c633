/** Whether what was delivered is read back, and has its sums beside it. Pure. */
import type { State } from '../../state/state.ts';
import type { ConfigField } from './field.ts';
import { takesFiles } from './place-fields.ts';

const choices = [
  { value: 'no', label: 'no' },
  { value: 'verify', label: 'yes, read it back and compare' },
] as const;
const folderChoices = [
  { value: 'no', label: 'no' },
  { value: 'sums', label: 'no, but write SHA256SUMS' },
  { value: 'verify', label: 'yes, read it back, and write SHA256SUMS' },
] as const;

export function proofField(state: State): ConfigField {
  const { proof = {} } = state.draft;
  const offered = takesFiles(state) ? folderChoices : choices;
  const value = proof.verify === true ? 'verify' : proof.sums === true ? 'sums' : 'no';
  return {
    group: 'Writing',
    kind: 'choice',
    key: 'verify',
    label: 'Verify',
    help: 'read back what was delivered and compare it with what was read; takes about as long again',
    value,
    shown: offered.find((choice) => choice.value === value)?.label ?? value,
    choices: offered,
    changed: value !== 'no',
    apply: (next) => {
      const { verify: _verify, sums: _sums, ...rest } = proof;
      const wanted = { ...rest, ...(next === 'no' ? {} : { [next]: true }) };
      return {
        command: {
          type: 'draft',
          change: { proof: Object.keys(wanted).length === 0 ? undefined : wanted },
        },
      };
    },
  };
}
