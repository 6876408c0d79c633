/**
 * `npm run bench:digest -- [--mib 2048] [--runs 5] [--folder F]`: what the digest of a disk costs a
 * conversion of raw to qcow2, in one process: without it, with XXH3, with SHA-256, in turn and then in the other order.
 * Told are the medians of time and of processor time, and of their ratios to the run without a digest beside them. A
 * folder in memory leaves the medium out: that is the hardest case for the digest.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DiskDigests } from '../src/convert/disk-digests.ts';
import { makePlan } from '../src/convert/make-plan.ts';
import { runPlan } from '../src/convert/run-plan.ts';
import { localPlugin } from '../src/env-plugins/local/index.ts';
import type { PluginContext } from '../src/env-plugins/plugin.ts';
import type { DigestAlgorithm } from '../src/io/digest-hash.ts';
import type { Machine } from '../src/model/machine.ts';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    runs: { type: 'string', default: '5' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const MiB = 2 ** 20;
const ways = [undefined, 'xxh3-128', 'sha256'] as const;
const folder = mkdtempSync(join(values.folder, 'vmferry-bench-'));
const image = join(folder, 'disk.raw');
const machine: Machine = {
  id: image,
  name: 'delivered',
  state: 'off',
  disks: [{ id: image, name: 'disk.raw', files: [image] }],
  nics: [],
  findings: [],
};
const plugin = localPlugin({ imageExtensions: ['raw'] });
const { begin } = DiskDigests.prototype;

interface Cost {
  readonly wall: number;
  readonly processor: number;
}

/** Milliseconds. */
async function convert(digest: DigestAlgorithm | undefined): Promise<Cost> {
  DiskDigests.prototype.begin =
    digest === undefined
      ? async (_, disk) => ({ ...disk, unread: () => undefined, settle: async () => undefined })
      : begin;
  const plan = makePlan({
    ...{ source: { environment: 'local', settings: {}, machine: image, follow: false }, machine },
    ...{ product: 'files', folder, format: 'qcow2', options: {}, force: true, sync: false },
    ...(digest === undefined ? {} : { proof: { digest } }),
  });
  const [used, began] = [process.cpuUsage(), performance.now()];
  await runPlan(plan, {
    connect: ({ settings }, signal) => plugin.connect(settings, { signal } as PluginContext),
    runId: 'bench',
    signal: new AbortController().signal,
    gate: async () => undefined,
    emit: () => undefined,
  });
  const wall = performance.now() - began;
  const { user, system } = process.cpuUsage(used);
  await rm(join(folder, 'delivered.qcow2'));
  return { wall, processor: (user + system) / 1000 };
}

/** Stretches of 8 MiB all over; a quarter are zeros that were written. */
async function makeImage(mib: number): Promise<void> {
  const block = Buffer.alloc(MiB);
  const file = await open(image, 'w');
  for (let i = 0; i < mib; i++) {
    for (let at = 0; at < MiB; at += 4)
      block.writeInt32LE(i % 4 === 3 ? 0 : (at * 2_654_435_761 + i) | 0, at);
    await file.write(block, 0, MiB, (Math.floor(i / 8) * 32 + (i % 8)) * MiB);
  }
  await file.truncate(mib * 4 * MiB);
  await file.close();
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;

try {
  await makeImage(Number(values.mib));
  const costs = ways.map((): Cost[] => []);
  for (const way of ways) await convert(way);
  for (let i = 0; i < Number(values.runs); i++) {
    const order = [...ways.keys()];
    for (const k of i % 2 === 0 ? order : order.reverse()) costs[k]!.push(await convert(ways[k]));
  }
  const ratio = (list: readonly Cost[], of: keyof Cost) =>
    median(list.map((cost, i) => cost[of] / costs[0]![i]![of])).toFixed(3);
  for (const [k, list] of costs.entries()) {
    const [wall, processor] = (['wall', 'processor'] as const).map((of) => median(list.map((c) => c[of])));
    console.log(
      `${(ways[k] ?? 'none').padEnd(9)} ${wall!.toFixed(0)} ms (${ratio(list, 'wall')}), processor ${processor!.toFixed(0)} ms (${ratio(list, 'processor')})`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
