/** One delivery again and again, each time another step of it failing; what is left then. */
import { expect } from 'vitest';
import type { Delivery, DeliveryRequest } from '../../src/env-plugins/plugin.ts';
import { type AppError, toAppError } from '../../src/model/errors.ts';
import type { Leftover } from '../../src/model/leftover.ts';
import { Faults, type Wrong } from './faults.ts';

/** A destination of its own for one delivery. */
export interface Scene {
  /** Each call of it to the outside is a step. */
  begin(faults: Faults, signal: AbortSignal): Promise<Delivery>;
  /** What is poured: names and bytes. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** All that is there, temporary files too; what has the same is equal. */
  there(): Promise<unknown>;
  /** Whether a delivery that ended well otherwise than the first one is a whole machine. */
  whole?(there: unknown): boolean;
  /** Runs the commands of the leftovers there, a line each. Absent where they can't be run in a test. */
  run?(commands: string): Promise<unknown>;
  close?(): Promise<void>;
}

interface Told {
  readonly error?: AppError;
  readonly left: readonly Leftover[];
}

/** As a run does it: `begin`, all sinks, `commit`; on any error `rollback`. */
async function deliver(scene: Scene, faults: Faults): Promise<Told> {
  const { signal } = faults.controller;
  let delivery: Delivery | undefined;
  try {
    delivery = await scene.begin(faults, signal);
    for (const [name, bytes] of Object.entries(scene.files)) {
      const sink = await delivery.sink({ name, size: bytes.length });
      const half = Math.ceil(bytes.length / 2);
      await sink.write(bytes.subarray(0, half), 0, signal);
      await sink.write(bytes.subarray(half), half, signal);
      await sink.finish(bytes.length);
      signal.throwIfAborted();
    }
    await delivery.commit();
    return { left: delivery.remains?.() ?? [] };
  } catch (thrown) {
    const error = toAppError(thrown);
    return { error, left: delivery === undefined ? leftIn(error) : await delivery.rollback() };
  }
}

/** Where nothing could be begun the error tells what stays. */
const leftIn = ({ hint = '' }: AppError): Leftover[] =>
  [...hint.matchAll(/left there: (.*?); to remove it: (.*?)(?=; left there: |$)/g)].map(
    ([, what, command]) => ({ what: what!, command: command! }),
  );

export interface SweepOptions {
  /** Only every so many steps, where one takes long: for each way another ones. Default 1; 1 with `EVERY_STEP`. */
  readonly every?: number;
  readonly wrongs?: readonly Wrong[];
}

/** Resolves to the steps of a delivery that goes well. */
export async function sweep(make: () => Promise<Scene>, options: SweepOptions = {}): Promise<string[]> {
  const { wrongs = ['refused', 'unheard', 'gone', 'last word', 'cancel'] } = options;
  const every = process.env.EVERY_STEP === undefined ? (options.every ?? 1) : 1;
  const well = new Faults();
  const scene = await make();
  expect(await deliver(scene, well)).toEqual({ left: [] });
  const delivered = await scene.there();
  await scene.close?.();
  const count = well.steps.length;
  const trial = async (faults: Faults, what: string) => {
    const one = await make();
    try {
      await leavesNothing(one, faults, delivered, what);
    } finally {
      await one.close?.();
    }
  };
  for (const [i, wrong] of wrongs.entries())
    for (let n = 1 + (i % every); n <= count; n += every)
      await trial(new Faults(wrong, n), `${wrong} at ${n} of ${count}, ${well.steps[n - 1]}`);
  // The last step fails, and one of those that take back what was done.
  for (let k = 1; ; k += every) {
    const faults = new Faults('refused', count, count + k);
    await trial(faults, `refused at the end, and ${k} behind it`);
    if (faults.steps.length < count + k) break;
  }
  return well.steps;
}

async function leavesNothing(scene: Scene, faults: Faults, delivered: unknown, what: string): Promise<void> {
  const before = await scene.there();
  const { error, left } = await deliver(scene, faults);
  faults.heal();
  for (const one of left) expect(one, what).toMatchObject({ what: expect.stringMatching(/./) });
  const wanted = error === undefined ? delivered : before;
  const after = await scene.there();
  if (error === undefined && left.length === 0 && scene.whole?.(after)) return;
  const trial = `${what}: ${error?.message ?? 'it went well'}`;
  if (left.length === 0) return expect({ trial, there: after }).toEqual({ trial, there: wanted });
  if (scene.run === undefined) {
    for (const one of left) expect(one.command, what).toEqual(expect.stringMatching(/./));
    return;
  }
  await scene.run(left.map(({ command }) => command).join('\n'));
  expect({ trial, left, there: await scene.there() }).toEqual({ trial, left, there: wanted });
}

export const requestOf = (more: Partial<DeliveryRequest>): DeliveryRequest => ({
  name: 'm',
  machine: { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] },
  settings: {},
  force: false,
  sync: false,
  runId: '20260101-000000-abcd',
  signal: new AbortController().signal,
  ...more,
});
