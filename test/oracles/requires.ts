/**
 * A foreign tool that judges us. Where it is missing the tests are skipped visibly, each naming the tool; with
 * REQUIRE_ORACLES=1 (CI) they fail.
 */
import { spawnSync } from 'node:child_process';
import { describe, it } from 'vitest';

const have = new Map<string, boolean>();

export function hasTool(tool: string): boolean {
  let found = have.get(tool);
  if (found === undefined) {
    found = spawnSync('sh', ['-c', `command -v "$1"`, 'sh', tool]).status === 0;
    have.set(tool, found);
  }
  return found;
}

/** `describe` that needs these tools. */
export function describeWith(tools: readonly string[], name: string, body: () => void): void {
  const missing = tools.filter((tool) => !hasTool(tool));
  if (missing.length === 0) {
    describe(name, body);
  } else if (process.env.REQUIRE_ORACLES === '1') {
    describe(name, () => {
      it(`needs ${missing.join(', ')}`, () => {
        throw new Error(`missing: ${missing.join(', ')}`);
      });
    });
  } else {
    describe.skip(`${name} (left out: no ${missing.join(', ')})`, body);
  }
}
