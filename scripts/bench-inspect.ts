/**
 * `npm run bench:inspect -- IMAGE… [--runs 5]`: `vmferry inspect` beside `virt-inspector` on the same images, whole
 * processes. Printed are the medians, their ratio, and what inspect reads of the image's data. virt-inspector starts a
 * machine of its own for it: without KVM that takes longer.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' } },
});
if (positionals.length === 0) throw new Error('give it images: npm run bench:inspect -- disk.qcow2');
const runs = Number(values.runs);
const home = mkdtempSync(join(tmpdir(), 'vmferry-bench-'));

function run(
  program: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): { seconds: number; text: string } {
  const begun = performance.now();
  const env = { ...process.env, VMFERRY_HOME: home, LIBGUESTFS_BACKEND: 'direct', ...more };
  const text = execFileSync(program, args, { env, encoding: 'utf8', maxBuffer: 2 ** 28 });
  return { seconds: (performance.now() - begun) / 1000, text };
}

/** A /dev/kvm that is there and does not work ends the appliance: then it is emulated. */
function virtInspector(image: string): number {
  try {
    return run('virt-inspector', ['-a', image]).seconds;
  } catch {
    return run('virt-inspector', ['-a', image], { LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' }).seconds;
  }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

interface Inspected {
  readonly machine: { readonly disks: readonly { readonly allocatedSizeBytes?: number }[] };
  readonly reports: Readonly<Record<string, { readonly bytesRead: number }>>;
}

try {
  for (const image of positionals) {
    const ours = Array.from({ length: runs }, () =>
      run(process.execPath, ['dist/cli.js', 'inspect', '--json', image]),
    );
    const { machine, reports } = JSON.parse(ours[0]!.text) as Inspected;
    const read = Object.values(reports).reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    const data = machine.disks.reduce((sum, { allocatedSizeBytes = 0 }) => sum + allocatedSizeBytes, 0);
    // Once: it takes a good part of a minute without KVM.
    const theirs = virtInspector(image);
    const own = median(ours.map(({ seconds }) => seconds));
    const share = ((read / data) * 100).toFixed(2);
    console.log(
      `${basename(image)}: inspect ${own.toFixed(2)} s, virt-inspector ${theirs.toFixed(1)} s, ${(theirs / own).toFixed(0)} times; read ${(read / 2 ** 20).toFixed(1)} MiB of ${(data / 2 ** 20).toFixed(0)} MiB (${share} %)`,
    );
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
