import { readdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rawCodec } from '../../src/codecs/raw/index.ts';
import { describePlan } from '../../src/convert/describe-plan.ts';
import { keepFindings } from '../../src/convert/keep-findings.ts';
import { keepPlans } from '../../src/convert/keep-plans.ts';
import { withCopies } from '../../src/convert/keeping.ts';
import { makePlan, type PlanRequest } from '../../src/convert/make-plan.ts';
import { packaged } from '../../src/convert/package-delivery.ts';
import { parsePlan } from '../../src/convert/parse-plan.ts';
import type { RunContext } from '../../src/convert/run-context.ts';
import { usualReserve, watchFree } from '../../src/convert/watch-free.ts';
import { destinationRole } from '../../src/env-plugins/local/destination.ts';
import { parseCopy } from '../../src/env-plugins/parse-copy.ts';
import type { Space } from '../../src/env-plugins/plugin.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Keep } from '../../src/model/plan.ts';
import { GiB, MiB } from '../../src/model/units.ts';
import { tempFolder } from '../temp.ts';

const run = '20260301-120000-abcd';
const machine: Machine = {
  ...{ id: 'm', name: 'web', state: 'off', memoryBytes: 7 * MiB, nics: [], findings: [] },
  disks: ['vda', 'vdb'].map((id) => ({ id, name: id, files: [] })),
};
const request: PlanRequest = {
  source: { environment: 'libvirt', profile: 'p1', settings: { host: 'lab' }, machine: 'm', follow: false },
  ...{ machine, product: 'vmware', folder: '/out', options: {}, force: true, sync: false },
  keep: { stages: ['extracted', 'changed', 'converted'], place: { folder: '/kept' } },
  edit: { name: 'renamed', memoryBytes: 9 * MiB, leaveOut: ['vdb'], guest: { changes: 'needed' } },
};

describe('the plans of kept copies', () => {
  const plan = parsePlan(JSON.parse(JSON.stringify(makePlan(request))));
  const [extracted, changed, converted] = keepPlans(plan, run, 'web to ova');

  it('are of the same source, each into a folder of its own, and replace nothing', () => {
    for (const [copy, stage] of [
      [extracted, 'extracted'],
      [changed, 'changed'],
      [converted, 'converted'],
    ] as const) {
      expect(copy?.source).toEqual(plan.source);
      expect(copy?.destination).toMatchObject({
        environment: 'local',
        settings: { folder: `/kept/${run}-${stage}` },
      });
      expect(copy).toMatchObject({ force: false, copyOf: { run, stage, title: 'web to ova' } });
      expect(copy).not.toHaveProperty('keep');
      expect(parsePlan(JSON.parse(JSON.stringify(copy)))).toEqual(copy);
    }
  });

  it('have what was read as the source had it, and what goes along of it alone', () => {
    expect(extracted).not.toHaveProperty('guest');
    expect(extracted?.machine).toMatchObject({ name: 'web', memoryBytes: 7 * MiB, disks: [{ id: 'vda' }] });
    expect(extracted?.machine.disks).toHaveLength(1);
    expect(extracted?.destination).toMatchObject({ container: 'disks', format: 'qcow2' });
    expect(changed).toMatchObject({ machine: { name: 'renamed', memoryBytes: 9 * MiB } });
    expect(converted?.destination).toMatchObject({
      container: plan.destination.container,
      format: plan.destination.format,
      options: plan.destination.options,
    });
  });

  it('go behind SSH where that is wanted', () => {
    const place = { environment: 'ssh', profile: 'p2', settings: { host: 'nas', folder: '/kept' } } as const;
    const [copy] = keepPlans(makePlan({ ...request, keep: { stages: ['extracted'], place } }), run, 't');
    expect(copy?.destination).toMatchObject({
      ...{ environment: 'ssh', profile: 'p2' },
      settings: { host: 'nas', folder: `/kept/${run}-extracted` },
    });
  });

  it('are told with the plan', () => {
    expect(describePlan(plan)).toContain(
      'kept in /kept: the disks as they were read, the disks after the changes inside, the files that are delivered',
    );
  });

  it('are refused where a copy would be of no use', () => {
    const refused = { ...request, product: 'files', format: 'qcow2', backing: '/base.qcow2' };
    expect(() => makePlan(refused)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});

describe('several destinations of one machine', () => {
  it('keep what is read once, and what is delivered each', () => {
    const context = (runId: string) => ({ runId }) as unknown as RunContext;
    const other = makePlan({ ...request, folder: '/other' });
    const elsewhere: Keep = { stages: ['extracted'], place: { folder: '/mine' } };
    const members = [
      { plan: makePlan(request), context: context('a') },
      { plan: other, context: context('b') },
      { plan: { ...other, keep: elsewhere }, context: context('c') },
    ];
    const copies = withCopies(members).slice(members.length);
    expect(copies.map(({ plan, of }) => [plan.copyOf?.stage, plan.copyOf?.run, of])).toEqual([
      ['extracted', 'a', 0],
      ['extracted', 'c', 2],
    ]);
  });
});

describe('a delivery into the store', () => {
  async function deliver(store: string, reserveBytes: number | undefined) {
    const keep: Keep = {
      ...{ stages: ['extracted'], format: 'raw', place: { folder: store } },
      ...(reserveBytes === undefined ? {} : { reserveBytes }),
    };
    const plan = keepPlans(makePlan({ ...request, keep }), run, 'web to ova')[0]!;
    const image = await rawCodec.open(memorySource(Buffer.alloc(4096, 1)), {} as never);
    const begun = await destinationRole().begin({
      ...{ name: 'web', machine: plan.machine, settings: plan.destination.settings },
      ...{ force: false, sync: false, runId: run, signal: new AbortController().signal },
    });
    const disks = plan.machine.disks.map((disk) => ({ disk, image, bytesTotal: 4096 }));
    const delivery = packaged(plan, begun, disks, Buffer.from('vars'));
    expect(delivery.adopt).toBeUndefined();
    return delivery;
  }

  it('has its description beside the images, and only once all are whole', async () => {
    const store = await tempFolder();
    const folder = join(store, `${run}-extracted`);
    const delivery = await deliver(store, 0);
    const sink = await delivery.sink({ name: 'web.raw', size: 4096 });
    await sink.write(Buffer.alloc(4096, 1), 0);
    await sink.finish(4096);
    expect((await readdir(folder)).every((name) => name.endsWith(`.vmferry-${run}.part`))).toBe(true);
    await delivery.commit();
    expect((await readdir(folder)).sort()).toEqual(['copy.json', 'web.nvram', 'web.raw']);
    const text = await readFile(join(folder, 'copy.json'), 'utf8');
    expect(parseCopy(text, `${run}-extracted`, folder)).toMatchObject({
      ...{ run, stage: 'extracted', title: 'web to ova', nvram: 'web.nvram' },
      source: { environment: 'libvirt', profile: 'p1', settings: { host: 'lab' }, machine: 'm' },
      machine: { name: 'web', memoryBytes: 7 * MiB },
      disks: [{ id: 'vda', file: 'web.raw', format: 'raw', virtualSizeBytes: 4096 }],
      files: [
        { name: 'web.raw', bytes: 4096 },
        { name: 'web.nvram', bytes: 4 },
      ],
    });
  });

  it('does not begin where the reserve would be touched, and leaves nothing', async () => {
    const store = await tempFolder();
    const delivery = await deliver(store, Number.MAX_SAFE_INTEGER);
    await expect(delivery.sink({ name: 'web.raw' })).rejects.toMatchObject({ kind: 'no-space' });
    await delivery.rollback();
    expect(await readdir(store)).toEqual([]);
  });
});

describe('the watch over free space', () => {
  const watched = (free: number[], reserve?: number) => {
    let time = 0;
    let looks = 0;
    const look = async (): Promise<Space> => ({
      freeBytes: free[Math.min(looks++, free.length - 1)]!,
      totalBytes: 10 * GiB,
    });
    const watch = watchFree(look, reserve, () => time);
    return {
      watch,
      looks: () => looks,
      wait(by: number) {
        time += by;
      },
    };
  };

  it('keeps a twentieth free, at most 1 GiB', () => {
    expect(usualReserve({ freeBytes: 0, totalBytes: 20 * MiB })).toBe(MiB);
    expect(usualReserve({ freeBytes: 0, totalBytes: 1000 * GiB })).toBe(GiB);
  });

  it('refuses what does not fit before it is begun', async () => {
    const { watch } = watched([2 * GiB], GiB);
    await watch.expect(GiB);
    await expect(watch.expect(GiB + 1)).rejects.toMatchObject({ kind: 'no-space' });
  });

  it('looks again the sooner the less is left, and ends before the reserve is touched', async () => {
    const { watch, looks } = watched([GiB + 100 * MiB, GiB + 75 * MiB, GiB + 50 * MiB, GiB - 1], GiB);
    await watch.expect(MiB);
    await watch.spend(25 * MiB);
    expect(looks()).toBe(1);
    await watch.spend(MiB);
    expect(looks()).toBe(2);
    await watch.spend(20 * MiB);
    expect(looks()).toBe(3);
    await expect(watch.spend(20 * MiB)).rejects.toMatchObject({ kind: 'no-space' });
  });

  it('notices what others write meanwhile', async () => {
    const { watch, wait } = watched([9 * GiB, 0], GiB);
    await watch.expect(0);
    await watch.spend(1);
    wait(1000);
    await expect(watch.spend(1)).rejects.toMatchObject({ kind: 'no-space' });
  });
});

describe('the room for copies', () => {
  const plan = (folder: string, keep: Partial<Keep> = {}) =>
    makePlan({ ...request, folder, keep: { stages: ['extracted'], place: { folder }, ...keep } });
  const rules = async (...given: Parameters<typeof keepFindings>) =>
    (await keepFindings(...given)).map(({ rule, severity }) => [rule, severity]);

  it('is looked at where the store will be; what does not fit is left out', async () => {
    const folder = join(await tempFolder(), 'not', 'yet');
    expect(await rules(plan(folder, { reserveBytes: 0 }), 1)).toEqual([]);
    expect(await rules(plan(folder, { reserveBytes: Number.MAX_SAFE_INTEGER }), 1)).toEqual([
      ['keep.no-space', 'warning'],
    ]);
  });

  it('stops the conversion only where its own place would suffer', async () => {
    const folder = await tempFolder();
    const { bavail, bsize } = await statfs(folder);
    const most = Math.floor(bavail * bsize * 0.7);
    expect(await rules(plan(folder), most)).toEqual([['keep.no-space-for-both', 'blocker']]);
    const elsewhere = { ...plan(folder), destination: { ...plan(folder).destination, environment: 'ssh' } };
    expect(await rules(elsewhere, most * 2)).toEqual([['keep.no-space', 'warning']]);
  });
});
