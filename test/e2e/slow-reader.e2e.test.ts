/** A pipe whose reader is slow gets all of it. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { place, program } from './program.ts';

const run = promisify(execFile);

it('prints all of a long list before it ends', async () => {
  const { folder, home } = await place();
  const content = Buffer.alloc(512, 1);
  for (let i = 0; i < 300; i++) await writeFile(`${folder}/machine-${i}.raw`, content);
  // A pipe holds 64 KiB; the list is longer.
  const command = `"${process.execPath}" "${program}" list "${folder}" --json | { sleep 3; wc -lc; }`;
  const { stdout } = await run('sh', ['-c', command], { env: { ...process.env, VMFERRY_HOME: home } });
  const [lines, bytes] = stdout.trim().split(/\s+/).map(Number);
  expect(bytes).toBeGreaterThan(150_000);
  expect(lines).toBe(300);
});
