import { expect, it } from 'vitest';
import { matteringOptions, type OptionSpec, optionsInWords } from '../../src/model/options.ts';

const specs: readonly OptionSpec[] = [
  { kind: 'choice', key: 'method', label: 'Method', help: '', choices: ['none', 'zlib'], default: 'none' },
  {
    kind: 'integer',
    key: 'level',
    label: 'Level',
    help: '',
    min: 0,
    max: 9,
    default: 0,
    onlyWith: { key: 'method', values: ['zlib'] },
  },
  { kind: 'boolean', key: 'align', label: 'Align', help: '', default: false },
];

it.each([
  [{}, ['method', 'align'], 'method none, align no'],
  [{ level: 3 }, ['method', 'align'], 'method none, align no'],
  [{ method: 'zlib', align: true }, ['method', 'level', 'align'], 'method zlib, level 0, align yes'],
] as const)('an option that says nothing is left out: %j', (given, keys, words) => {
  expect(matteringOptions(specs, given).map((spec) => spec.key)).toEqual(keys);
  expect(optionsInWords(specs, given)).toBe(words);
});
