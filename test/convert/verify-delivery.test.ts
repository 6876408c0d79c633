import { open, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makePlan } from '../../src/convert/make-plan.ts';
import type { ConversionEvent, RunContext } from '../../src/convert/run-context.ts';
import { runPlan } from '../../src/convert/run-plan.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { Delivery, PluginContext, Session } from '../../src/env-plugins/plugin.ts';
import type { ByteSink } from '../../src/io/byte-source.ts';
import type { AppError } from '../../src/model/errors.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Container, Proof } from '../../src/model/plan.ts';
import { tempFolder } from '../temp.ts';

const MiB = 2 ** 20;

interface Damage {
  /** After the commit, to the file that was delivered. */
  file?(path: string): Promise<unknown>;
  /** On the way. */
  sink?(sink: ByteSink): ByteSink;
}

function damaged(delivery: Delivery, { file, sink }: Damage): Delivery {
  return {
    ...delivery,
    sink: async (one) => (sink ?? ((same) => same))(await delivery.sink(one)),
    async commit() {
      const places = await delivery.commit();
      for (const place of places) await file?.(place);
      return places;
    },
  };
}

/** 12 MiB and a bit: data at its start, in its middle, and at its end. */
async function disk(folder: string): Promise<Machine> {
  const path = join(folder, 'web.raw');
  await writeFile(path, '');
  await truncate(path, 12 * MiB + 1536);
  const handle = await open(path, 'r+');
  for (const [offset, length] of [
    [0, 4096],
    [5 * MiB, 2 * MiB],
    [12 * MiB + 512, 1024],
  ] as const) {
    const bytes = Buffer.alloc(length, `from ${offset} on `);
    await handle.write(bytes, 0, length, offset);
  }
  await handle.close();
  return {
    id: path,
    name: 'web',
    state: 'off',
    disks: [{ id: path, name: 'web.raw', files: [path] }],
    nics: [],
    findings: [],
  };
}

interface Wish extends Proof {
  readonly format: string;
  readonly container?: Container;
  readonly file?: string;
}

async function converted(folder: string, { format, container, file, ...proof }: Wish, damage: Damage = {}) {
  const events: ConversionEvent[] = [];
  const machine = await disk(folder);
  const plan = makePlan({
    source: { environment: 'local', settings: {}, machine: machine.id, follow: false },
    machine,
    product: 'files',
    folder: join(folder, 'out'),
    format,
    ...(file === undefined ? {} : { file }),
    ...(container === undefined ? {} : { container }),
    options: {},
    proof,
    force: false,
    sync: false,
  });
  const plugin = localPlugin({ imageExtensions: ['raw', format] });
  const context: RunContext = {
    async connect({ settings, role }, signal) {
      const session: Session = await plugin.connect(settings, { signal } as PluginContext);
      if (role !== 'destination') return session;
      const { destination } = session;
      return {
        ...session,
        destination: {
          ...destination!,
          begin: async (request) => damaged(await destination!.begin(request), damage),
        },
      };
    },
    runId: 'run',
    signal: new AbortController().signal,
    gate: async () => undefined,
    emit: (event) => events.push(event),
  };
  const outcome = await runPlan(plan, context).catch((error: AppError) => error);
  return { outcome, events };
}

async function flip(path: string, offset: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0]! ^= 1;
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

const wishes: Wish[] = [
  { format: 'raw' },
  { format: 'qcow2' },
  { format: 'vmdk' },
  { format: 'vhd' },
  { format: 'vhdx' },
  { format: 'raw', file: 'web.raw.gz' },
  { format: 'vmdk', container: 'ova' },
];
for (const wish of wishes) {
  test(`what is whole is said to be: ${wish.file ?? wish.container ?? wish.format}`, async () => {
    const { outcome, events } = await converted(await tempFolder(), { ...wish, verify: true });
    expect(outcome).toMatchObject({ places: expect.any(Array) });
    const said = events.flatMap((event) => (event.type === 'log' ? [event.text] : []));
    expect(said).toContainEqual(expect.stringMatching(/^verified: .* holds what was read$/));
    expect(events).toContainEqual(expect.objectContaining({ type: 'progress', verifying: true }));
  });
}

test('the digest of the disk is told, and is the same whatever it becomes', async () => {
  const values = await Promise.all(
    (['raw', 'qcow2'] as const).map(async (format) => {
      const { events } = await converted(await tempFolder(), { format, digest: 'sha256' });
      return events.find((event) => event.type === 'digest');
    }),
  );
  expect(values[0]).toMatchObject({ algorithm: 'sha256', value: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect((values[1] as { value: string }).value).toBe((values[0] as { value: string }).value);
});

test('a byte that was turned in the delivered file is found, and its place named', async () => {
  const folder = await tempFolder();
  const file = (path: string) => flip(path, 6 * MiB + 77);
  const { outcome } = await converted(folder, { format: 'raw', verify: true }, { file });
  expect(outcome).toMatchObject({
    kind: 'corrupt',
    message: expect.stringContaining('the 4194304 bytes at 4194304 (0x400000) of the disk are not those'),
    where: join(folder, 'out/web.raw'),
    hint: expect.stringContaining('it was left where it is'),
  });
});

test('the first of several differences is named, also where nothing was expected', async () => {
  const file = async (path: string) => {
    await flip(path, 12 * MiB + 600);
    await flip(path, 9 * MiB);
  };
  const { outcome } = await converted(await tempFolder(), { format: 'raw', verify: true }, { file });
  expect((outcome as AppError).message).toContain('bytes at 8388608 (0x800000)');
});

test('without --verify nobody looks', async () => {
  const { outcome } = await converted(
    await tempFolder(),
    { format: 'raw' },
    { file: (path) => flip(path, 6 * MiB) },
  );
  expect(outcome).toMatchObject({ places: expect.any(Array) });
});

test('a file that was cut is found', async () => {
  const file = (path: string) => truncate(path, 12 * MiB + 1024);
  const { outcome } = await converted(await tempFolder(), { format: 'raw', verify: true }, { file });
  expect(outcome).toMatchObject({ kind: 'corrupt', message: expect.stringContaining('ends at 12583936') });
});

test('a qcow2 that was cut is found', async () => {
  const { outcome } = await converted(
    await tempFolder(),
    { format: 'qcow2', verify: true },
    { file: (path) => truncate(path, 400_000) },
  );
  expect(outcome).toMatchObject({ kind: 'corrupt' });
});

test('data behind the end is found', async () => {
  const file = async (path: string) => {
    const handle = await open(path, 'a');
    await handle.write(Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 1)]));
    await handle.close();
  };
  const { outcome } = await converted(await tempFolder(), { format: 'raw', verify: true }, { file });
  expect(outcome).toMatchObject({ kind: 'corrupt', message: expect.stringContaining('behind the end') });
});

test('a write that was shorter than it said is found', async () => {
  const short = (sink: ByteSink): ByteSink => ({
    ...sink,
    write: (bytes, offset, signal) =>
      sink.write(offset === 5 * MiB ? bytes.subarray(0, bytes.length - 512) : bytes, offset, signal),
  });
  const { outcome } = await converted(await tempFolder(), { format: 'raw', verify: true }, { sink: short });
  expect(outcome).toMatchObject({ kind: 'corrupt', message: expect.stringContaining('at 4194304') });
});

test('what is gone is not verified', async () => {
  const { outcome } = await converted(
    await tempFolder(),
    { format: 'raw', verify: true },
    { file: (path) => rm(path) },
  );
  expect(outcome).toMatchObject({ kind: 'not-found', message: expect.stringMatching(/^not verified: /) });
});
