import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { rulesPage } from '../../scripts/rules-page.ts';

it('docs/rules.md lists the packs as they are', async () => {
  expect(await readFile('docs/rules.md', 'utf8'), 'run npm run docs:rules').toBe(await rulesPage());
});
