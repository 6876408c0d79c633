import { expect, it } from 'vitest';
import type { ConversionEvent } from '../../../src/convert/run-context.ts';
import { recordOf } from '../../../src/state/history/record.ts';
import { RunRecorder } from '../../../src/state/history/recorder.ts';

function recorder() {
  let now = Date.parse('2026-01-02T03:04:05.000Z');
  const lines: { at: string; event: { type?: string } }[] = [];
  const journal = {
    append: (event: unknown) =>
      void lines.push({ at: new Date(now).toISOString(), event: JSON.parse(JSON.stringify(event)) }),
  };
  const own = new RunRecorder(
    journal,
    (data) => data,
    () => now,
  );
  const pass = (seconds: number) => {
    now += seconds * 1000;
  };
  const types = () => lines.map(({ event }) => event.type);
  return { own, lines, types, pass, record: () => recordOf(lines) };
}

const progress = (...disks: number[]): ConversionEvent => ({
  type: 'progress',
  disks: disks.map((bytesDone, i) => ({ id: `d${i + 1}`, bytesDone })),
  rate: 0,
});
const two: ConversionEvent = {
  type: 'disks',
  disks: [
    { id: 'd1', name: 'system', bytesTotal: 100, sizeBytes: 1000 },
    { id: 'd2', name: 'data', bytesTotal: 50, sizeBytes: 1000 },
  ],
};

it('tells each disk: how much of it was read, in which time, and whether to its end', () => {
  const { own, pass, record } = recorder();
  own.take(two);
  own.take({ type: 'disk', id: 'd1', status: 'running' });
  pass(10);
  own.take({ type: 'disk', id: 'd1', status: 'done' });
  own.take({ type: 'disk', id: 'd2', status: 'running' });
  own.take(progress(100, 20));
  pass(5);
  own.take(progress(100, 30));
  own.end();
  expect(record().disks).toEqual([
    {
      id: 'd1',
      name: 'system',
      sizeBytes: 1000,
      allocatedBytes: 100,
      bytesRead: 100,
      seconds: 10,
      whole: true,
    },
    { id: 'd2', name: 'data', sizeBytes: 1000, allocatedBytes: 50, bytesRead: 30, seconds: 5, whole: false },
  ]);
  expect(record().points.map(({ bytes }) => bytes)).toEqual([120, 130]);
});

it('counts what was read on over passes, and nothing of what is read back', () => {
  const { own, pass, record } = recorder();
  for (const bytes of [100, 40]) {
    own.take(two);
    own.take(progress(0, 0));
    pass(20);
    own.take(progress(bytes, 0));
    pass(20);
  }
  own.take({ type: 'verifying', disks: [] });
  own.take({ ...progress(100, 0), verifying: true } as ConversionEvent);
  own.take({ type: 'disk', id: 'd1', status: 'running' });
  pass(7);
  own.take({ type: 'disk', id: 'd1', status: 'done' });
  own.end();
  expect(record().points.map(({ bytes }) => bytes)).toEqual([0, 100, 100, 140]);
  expect(record().disks[0]).toMatchObject({ verifiedSeconds: 7 });
  expect(record().disks[0]).not.toHaveProperty('bytesRead');
});

it('stays small, however long the run takes and however much it says', () => {
  const { own, pass, types, record } = recorder();
  // Two weeks, a report of the progress each second of the first hour and each minute of the rest.
  for (let n = 1; n <= 3600; n++, pass(1)) own.take(progress(n));
  for (let n = 1; n <= 14 * 1440; n++, pass(60)) own.take(progress(3600 + n));
  expect(types().length).toBeGreaterThan(300);
  expect(types().length).toBeLessThan(2500);
  for (let n = 0; n < 30_000; n++) own.log({ at: 0, level: 'info', text: 'the link was cut' });
  own.log({ at: 0, level: 'error', text: 'no more' });
  own.end();
  expect(record()).toMatchObject({ logLeftOut: 10_000 });
  expect(record().log.at(-1)).toEqual({ at: 0, level: 'error', text: 'no more' });
});

it('tells a finding once, though the plan is checked twice', () => {
  const { own, record } = recorder();
  const findings = [{ rule: 'r', severity: 'warning', message: 'm', remedy: 'do it' }] as const;
  own.take({ type: 'findings', findings });
  own.take({ type: 'findings', findings });
  expect(record().findings).toEqual(findings);
});

it('keeps what is not understood, and does not stumble over it', () => {
  const at = '2026-01-02T03:04:05.000Z';
  const odd = [null, 7, {}, { type: 'of-tomorrow', a: 1 }, { type: 'log', at: 1e300, text: 'x' }];
  const record = recordOf([
    ...odd.map((event) => ({ at, event })),
    { at, event: { type: 'digest', disk: 'd', algorithm: 'sha256', value: 'ab', more: true } },
  ]);
  expect(record).toMatchObject({ other: odd, log: [], digests: [{ disk: 'd', value: 'ab' }] });
});
