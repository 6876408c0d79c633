import { inspect } from 'node:util';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryStore } from '../../../src/state/secrets/memory-store.ts';
import { Redactor, redacting } from '../../../src/state/secrets/redact.ts';

function redactor(...secrets: string[]): Redactor {
  const made = new Redactor();
  for (const secret of secrets) made.add(secret);
  return made;
}

it('blanks a secret in every form that it takes on its way', () => {
  const secret = 'p@ss "w/rd"\\ é+1&<$(x)';
  const made = redactor(secret);
  const forms = [
    secret,
    JSON.stringify({ a: secret }),
    JSON.stringify(JSON.stringify({ a: secret })),
    `https://u:${encodeURIComponent(secret)}@h/`,
    `?p=${new URLSearchParams({ p: secret })}`,
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    Buffer.from(secret).toString('hex'),
  ];
  for (const form of forms) {
    const text = made.redact(`before ${form} after`);
    expect(text).toContain('••••');
    expect(text).not.toMatch(/p@ss|w.{0,2}rd|cEBzcy/);
    expect(text.startsWith('before ') && text.endsWith(' after')).toBe(true);
  }
});

it('finds it within the base64 of a Basic authorization, whatever the name before it', () => {
  const secret = 'correct-horse-battery';
  for (const user of ['a', 'ab', 'abc', 'root']) {
    for (const after of ['', '\n', ':x']) {
      const text = redactor(secret).redact(Buffer.from(`${user}:${secret}${after}`).toString('base64'));
      expect(text).toContain('••••');
      expect(text.length).toBeLessThan(20);
    }
  }
});

it('blanks the longest first, every time it occurs, and lines of a key one by one', () => {
  const made = redactor('hunter', 'hunter2');
  expect(made.redact('hunter2 hunter hunter2')).toBe('•••• •••• ••••');
  const line = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC';
  const key = `-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`;
  expect(redactor(key).redact(`read ${line}; -----BEGIN PRIVATE KEY-----`)).toBe(
    'read ••••; -----BEGIN PRIVATE KEY-----',
  );
});

it('leaves short ones, for they are in every text', () => {
  expect(redactor('abc', '').redact('abc and more')).toBe('abc and more');
  expect(new Redactor().redact('text')).toBe('text');
});

it('leaves no secret in data, nor shows them itself', () => {
  const made = redactor('hunter2');
  const data = { a: ['hunter2', 1, null], hunter2: { b: 'x hunter2' } };
  expect(made.redactData(data)).toEqual({ a: ['••••', 1, null], '••••': { b: 'x ••••' } });
  expect(inspect(made, { depth: 9, showHidden: true }) + JSON.stringify(made)).not.toContain('hunter2');
});

it('knows what comes out of a store, and what goes in', async () => {
  const made = new Redactor();
  const memory = new MemoryStore();
  await memory.set('old', 'hunter2');
  const store = redacting(memory, made);
  await store.get('old');
  await store.set('new', 'tiger99');
  expect(made.redact('hunter2 tiger99')).toBe('•••• ••••');
  await store.delete('new');
  expect(store.kind).toBe('memory');
});

it('leaves no whole secret in any text', () => {
  const secret = fc.string({ minLength: 4, maxLength: 12, unit: 'binary' });
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (text, before, after) => {
      // A mask beside a secret's own characters could spell it again only if the secret had the mask's character.
      fc.pre(!text.includes('•') && !before.includes(text) && !after.includes(text));
      const out = redactor(text).redact(before + text + after);
      return !out.includes(text) || !(before + text + after).includes(text);
    }),
  );
});
