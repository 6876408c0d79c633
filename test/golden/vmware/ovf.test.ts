/** OVF descriptors in the style of each product; see README.md, and test/packages/ovf for more. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOvf } from './read-ovf.ts';

const folder = join(import.meta.dirname, 'ovf');

describe('packages in the style of', () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.ovf'))) {
    it(name, async () => {
      const expected = JSON.parse(await readFile(join(folder, name.replace(/ovf$/, 'json')), 'utf8'));
      expect(readOvf(await readFile(join(folder, name)), name)).toEqual(expected);
    });
  }
});
