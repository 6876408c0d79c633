import { expect, test } from 'vitest';
import { statusLines } from '../../../src/screens/configuration/status-line.tsx';

test.each([
  ['BLOCKED: it is there', 20, 3, ['BLOCKED: it is there']],
  ['BLOCKED: it is there already', 20, 3, ['BLOCKED: it is there', 'already']],
  ['one two three four five six', 10, 2, ['one two', 'three fou…']],
])('%s in %i columns', (text, width, rows, expected) => {
  const status = { text, tone: 'error', busy: false } as const;
  const lines = statusLines({ status, hint: '', width, rows }, { ellipsis: '…' });
  expect(lines).toEqual(expected);
});
