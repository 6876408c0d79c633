/** VMDK descriptors in the style of each product, in their encodings and with their line ends. See README.md. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openedDescriptor } from './opened-descriptor.ts';

const folder = join(import.meta.dirname, 'vmdk');

describe('descriptors in the style of', () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.vmdk'))) {
    it(name, async () => {
      const expected = JSON.parse(await readFile(join(folder, name.replace(/vmdk$/, 'json')), 'utf8'));
      const opened = await openedDescriptor(await readFile(join(folder, name)), name);
      expect(JSON.parse(JSON.stringify(opened))).toEqual(expected);
    });
  }
});
