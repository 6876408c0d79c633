/** Before the tests of the built program: builds it when it is missing or older than its sources. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export function setup(): void {
  if (process.env.VMFERRY_PROGRAM !== undefined) return;
  const built = modified('dist/cli.js');
  const newest = Math.max(modified('scripts/build.ts'), modified('package.json'), ...sources('src'));
  if (built < newest) execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}

const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const sources = (folder: string): number[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => modified(join(folder, name)));
