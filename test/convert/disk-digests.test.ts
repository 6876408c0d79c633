import { expect, test } from 'vitest';
import { type DigestDisk, DiskDigests, type KeptDigest } from '../../src/convert/disk-digests.ts';
import { makePlan } from '../../src/convert/make-plan.ts';
import type { ConversionEvent, RunContext } from '../../src/convert/run-context.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Plan, Proof } from '../../src/model/plan.ts';

const MiB = 2 ** 20;
const size = 12 * MiB;
const one = { id: 'disk0', name: 'web.raw', files: ['/x/web.raw'] };

function planOf(proof: Proof, environment = 'local'): Plan {
  const plan = makePlan({
    source: { environment: 'local', settings: {}, machine: '/x/web.raw', follow: false },
    machine: { id: '/x/web.raw', name: 'web', state: 'off', disks: [one], nics: [], findings: [] },
    product: 'files',
    folder: '/out',
    format: 'raw',
    options: {},
    proof,
    force: false,
    sync: false,
  });
  return { ...plan, destination: { ...plan.destination, environment } };
}

/** Data all over; each read is told. */
function diskOf(reads: number[]): Disk {
  const inner = sourceDisk(memorySource(Buffer.alloc(size, 'data ')));
  return {
    ...inner,
    async read(target, offset) {
      reads.push(offset);
      await inner.read(target, offset);
    },
  };
}

function contextOf(more: Partial<RunContext> = {}) {
  const events: ConversionEvent[] = [];
  const blocks: number[] = [];
  const begun: DigestDisk[] = [];
  const context: RunContext = {
    connect: () => Promise.reject(new Error('nowhere')),
    runId: 'run',
    signal: new AbortController().signal,
    gate: async () => undefined,
    emit: (event) => events.push(event),
    digests: {
      begin(disk) {
        begun.push(disk);
        return { block: ({ block }) => blocks.push(block), whole: () => blocks.push(-1) };
      },
    },
    ...more,
  };
  return { context, events, blocks, begun };
}

async function readFrom(disk: Disk, from: number): Promise<void> {
  for (let at = from; at < size; at += MiB) await disk.read(Buffer.alloc(MiB), at);
}

const { signal } = new AbortController();
const resumption = { source: [], disks: new Map(), files: new Set() } as unknown as NonNullable<
  RunContext['resumption']
>;

/** A run that was cut when its first block was known. */
async function cut(): Promise<KeptDigest> {
  const digests = new DiskDigests(planOf({ digest: 'sha256' }), contextOf().context);
  const disk = await digests.begin(one, diskOf([]), 'web.raw');
  for (let at = 0; at < 4 * MiB; at += MiB) await disk.read(Buffer.alloc(MiB), at);
  return { id: one.id, name: one.name, digest: digests.disks[0]!.digest, complete: false };
}

async function whole(): Promise<string> {
  const digests = new DiskDigests(planOf({ digest: 'sha256' }), contextOf().context);
  const disk = await digests.begin(one, diskOf([]), 'web.raw');
  await readFrom(disk, 0);
  await disk.settle(signal);
  return digests.disks[0]!.digest.whole();
}

test('a run that goes on takes over what is known, also its algorithm, and reads the rest once', async () => {
  const kept = await cut();
  const { context, events, blocks, begun } = contextOf({ resumption, earlierDigests: async () => [kept] });
  const reads: number[] = [];
  const digests = new DiskDigests(planOf({}), context);
  const disk = await digests.begin(one, diskOf(reads), 'web.raw');
  // So far the destination has it: nobody reads the second block for the delivery.
  await readFrom(disk, 8 * MiB);
  await disk.settle(signal);
  expect(begun[0]).toMatchObject({ algorithm: 'sha256', size });
  expect(blocks).toEqual([0, 2, 1, -1]);
  expect([...reads].sort((a, b) => a - b)).toEqual([4, 5, 6, 7, 8, 9, 10, 11].map((mib) => mib * MiB));
  expect(events).toEqual([{ type: 'digest', disk: one.id, algorithm: 'sha256', value: await whole() }]);
});

test('without what was kept it is made by reading all of it once more', async () => {
  const gone = () => Promise.reject(new AppError('corrupt', 'these are no digests'));
  const { context, events } = contextOf({ resumption, earlierDigests: gone });
  const digests = new DiskDigests(planOf({ digest: 'sha256' }), context);
  const disk = await digests.begin(one, diskOf([]), 'web.raw');
  await readFrom(disk, 8 * MiB);
  await disk.settle(signal);
  expect(events).toEqual([
    expect.objectContaining({ type: 'log', text: expect.stringContaining('these are no digests') }),
    { type: 'digest', disk: one.id, algorithm: 'sha256', value: await whole() },
  ]);
});

test.each([
  [{ digest: 'sha256' }, 0],
  [{ digest: 'sha256', verify: true }, 1],
] as const)('what was moved there unread has a digest only for %j', async (proof, count) => {
  const { context, events } = contextOf();
  const disk = await new DiskDigests(planOf(proof), context).begin(one, diskOf([]), 'web.raw');
  disk.unread();
  await disk.settle(signal);
  expect(events.length).toBe(count);
  if (count > 0) expect(events[0]).toMatchObject({ value: await whole() });
});

test('what is hashed far away is hashed by what is to be had there', async () => {
  const { context, begun } = contextOf();
  await new DiskDigests(planOf({ verify: true }, 'ssh'), context).begin(one, diskOf([]), 'web.raw');
  expect(begun[0]!.algorithm).toBe('sha256');
});
