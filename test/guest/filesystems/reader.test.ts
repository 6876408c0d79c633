import { expect, it } from 'vitest';
import { Budget } from '../../../src/guest/filesystems/files.ts';
import { filesOf } from '../../../src/guest/filesystems/reader.ts';

it('a folder of very many names is read once, whatever is looked for in it', async () => {
  let read = 0;
  const names = Array.from({ length: 60_000 }, (_, i) => `n${i}`);
  const facts = { blockBytes: 4096, sizeBytes: 1, state: 'clean', notes: [] } as const;
  const files = filesOf<string>({
    root: '/',
    facts,
    budget: new Budget(1000, 'steps'),
    key: (node) => node,
    stat: (node) => ({ kind: node === '/' || node === 'many' ? 'folder' : 'file', size: 0 }),
    async *entries(folder) {
      read++;
      for (const name of folder === '/' ? ['many'] : names) yield { name, node: async () => name };
    },
    readInto: async () => undefined,
    target: async () => '',
  });
  for (const name of ['n1', 'n2', 'n59999']) expect(await files.stat(`/many/${name}`)).toBeDefined();
  expect(await files.list('/many')).toHaveLength(60_000);
  expect(read).toBe(2);
});
