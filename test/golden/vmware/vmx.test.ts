/** Machine files in the style of each product, and the machines that they are. See README.md. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkedMachine } from '../../../src/env-plugins/shapes.ts';
import { parseDictionary } from '../../../src/env-plugins/vmware-files/dictionary.ts';
import { machineOfVmx } from '../../../src/env-plugins/vmware-files/machine.ts';

const folder = join(import.meta.dirname, 'vmx');

/** Findings as their rules; the files as the .vmx names them. */
async function machineOf(name: string) {
  const vmx = parseDictionary(await readFile(join(folder, name)), name);
  const { findings, ...machine } = machineOfVmx(name, vmx, {
    ...{ path: `/vm/${name}`, state: 'off', snapshots: [], hasNvram: true, findings: [] },
    locate: (path) => ({ path, size: 70_000 }),
  });
  checkedMachine({ ...machine, findings }, name);
  return { ...machine, rules: findings.map(({ rule }) => rule) };
}

describe('machine files in the style of', () => {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.vmx'))) {
    it(name, async () => {
      const expected = JSON.parse(await readFile(join(folder, name.replace(/vmx$/, 'json')), 'utf8'));
      expect(await machineOf(name)).toEqual(expected);
    });
  }
});
