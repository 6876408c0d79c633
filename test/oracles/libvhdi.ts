/** libvhdi as the judge: `vhdiinfo` and a FUSE mount by `vhdimount`. */
import { execFile, spawn } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);

export async function vhdiInfo(path: string): Promise<{ type: string; size: number; sector: number }> {
  const { stdout } = await run('vhdiinfo', [path]);
  return {
    type: /Disk type\s*: (\w+)/.exec(stdout)![1]!,
    size: Number(/Media size\s*:.*?(\d+)(?: bytes)?\)?\s*$/m.exec(stdout)![1]),
    sector: Number(/Bytes per sector\s*: (\d+)/.exec(stdout)![1]),
  };
}

/** The path of a file with what libvhdi reads from the image, parents included; it goes when the test ends. */
export async function mountByLibvhdi(path: string, folder: string): Promise<string> {
  const mount = join(folder, 'mount');
  await mkdir(mount);
  // It goes on in the background, so it must not hold a pipe of ours.
  const code = await new Promise((resolve, reject) => {
    spawn('vhdimount', [path, mount], { stdio: 'ignore', timeout: 20_000 })
      .on('error', reject)
      .on('exit', resolve);
  });
  if (code !== 0) throw new Error(`vhdimount of ${path} ended with ${code}`);
  onTestFinished(async () => void (await run('fusermount', ['-u', mount], { timeout: 10_000 })));
  return join(mount, (await readdir(mount)).at(-1)!);
}
