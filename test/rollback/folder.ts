/** A folder of this computer: all that is in it, and commands run on it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Every file and folder below, with its bytes. */
export function treeOf(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true }) as string[];
  const tree: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = join(folder, name);
    tree[name] = statSync(path).isDirectory() ? '/' : readFileSync(path, 'latin1');
  }
  return tree;
}

/** Empties the folder and puts these files there. */
export function fill(folder: string, files: Readonly<Record<string, string>>): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    rmSync(join(folder, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** Some say that there is nothing to remove: what lies there afterwards tells. */
export async function runHere(commands: string): Promise<void> {
  spawnSync('sh', ['-c', commands]);
}
