/** Copies that are kept while a conversion runs. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan, type PlanRequest } from '../../src/convert/make-plan.ts';
import type { ConversionEvent, RunContext } from '../../src/convert/run-context.ts';
import { runPlans } from '../../src/convert/run-plan.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { Delivery, Session, Space } from '../../src/env-plugins/plugin.ts';
import { AppError } from '../../src/model/errors.ts';
import type { KeepStage } from '../../src/model/plan.ts';
import { GiB, MiB } from '../../src/model/units.ts';
import { connectFor } from '../conformance/test-plugin.ts';
import { tempFolder } from '../temp.ts';

const run = '20260301-120000-abcd';
const size = 5 * MiB + 512;
const roomy: Space = { freeBytes: 900 * GiB, totalBytes: 1000 * GiB };

/** Bytes that differ from block to block. */
const content = Buffer.alloc(size, 'kept copies, of odd content ');

interface Given {
  readonly stages: readonly KeepStage[];
  /** Asked before this many bytes are written to a delivery into the folder; may throw. */
  readonly writing?: (place: 'out' | 'kept', bytes: number) => void;
  readonly space?: () => Space;
  readonly request?: Partial<PlanRequest>;
  readonly context?: Partial<RunContext>;
}

async function converted({ stages, writing, space = () => roomy, request, context }: Given) {
  const folder = await tempFolder();
  const [input, out, kept] = ['in', 'out', 'kept'].map((name) => join(folder, name));
  await mkdir(input!);
  const path = join(input!, 'web.raw');
  await writeFile(path, content);
  let read = 0;
  const connect = async ({ role }: { role?: 'destination' }): Promise<Session> => {
    const session = await connectFor(localPlugin({ imageExtensions: ['raw'] }), {});
    if (role === 'destination') return { ...session, destination: watched(session, kept!, writing, space) };
    const source = session.source!;
    return {
      ...session,
      source: {
        ...source,
        async open(...given) {
          const disk = await source.open(...given);
          const { source: bytes } = disk;
          const counting: typeof bytes = {
            ...bytes,
            async read(target, offset, signal) {
              if (target.length > 64 * 1024) read += target.length;
              await bytes.read(target, offset, signal);
            },
          };
          return { ...disk, source: counting };
        },
      },
    };
  };
  const machine = await (await connect({})).source!.inspect(path, new AbortController().signal);
  const plan = makePlan({
    source: { environment: 'local', settings: {}, machine: path, follow: false },
    ...{ machine, product: 'files', folder: out!, format: 'qcow2', options: {}, force: false, sync: false },
    keep: { stages, format: 'raw', place: { folder: kept! } },
    ...request,
  });
  const events: ConversionEvent[] = [];
  const [end] = await runPlans([
    {
      plan,
      context: {
        ...{ connect, runId: run, signal: new AbortController().signal, gate: async () => undefined },
        emit: (event) => void events.push(event),
        ...context,
      },
    },
  ]);
  const logs = events.flatMap((event) => (event.type === 'log' ? [event] : []));
  return {
    end: end!,
    read,
    out: out!,
    kept: kept!,
    copies: async () => (await readdir(kept!).catch(() => [])).sort(),
    warnings: logs.filter(({ level }) => level === 'warning').map(({ text }) => text),
    told: logs.map(({ text }) => text).filter((text) => text.startsWith('kept: ')),
  };
}

function watched(session: Session, kept: string, writing: Given['writing'], space: () => Space) {
  const role = session.destination!;
  return {
    ...role,
    async begin(request: Parameters<typeof role.begin>[0]): Promise<Delivery> {
      const begun = await role.begin(request);
      const place = request.settings.folder!.startsWith(kept) ? 'kept' : 'out';
      return {
        ...begun,
        space: async () => space(),
        async sink(file) {
          const sink = await begun.sink(file);
          return {
            ...sink,
            async write(bytes, offset, signal) {
              writing?.(place, bytes.length);
              await sink.write(bytes, offset, signal);
            },
          };
        },
      };
    },
  };
}

const failing = (where: 'out' | 'kept', after = 2 * MiB) => {
  let left = after;
  return (place: 'out' | 'kept', bytes: number) => {
    if (place !== where) return;
    left -= bytes;
    if (left < 0) throw new AppError('io', 'the medium is gone');
  };
};

describe('copies that are kept while a conversion runs', () => {
  it('are made of one reading: as read, after the changes, and the very files', async () => {
    const { end, read, out, kept, copies, told, warnings } = await converted({
      stages: ['extracted', 'changed', 'converted'],
    });
    expect(end).toMatchObject({ outcome: { places: [join(out, 'web.qcow2')] } });
    expect(warnings).toEqual([]);
    expect(read).toBeLessThan(size * 1.3);
    expect(await copies()).toEqual([`${run}-changed`, `${run}-converted`, `${run}-extracted`]);
    for (const stage of ['extracted', 'changed'])
      expect((await readFile(join(kept, `${run}-${stage}`, 'web.raw'))).equals(content)).toBe(true);
    const delivered = await readFile(join(out, 'web.qcow2'));
    expect((await readFile(join(kept, `${run}-converted`, 'web.qcow2'))).equals(delivered)).toBe(true);
    const about = JSON.parse(await readFile(join(kept, `${run}-extracted`, 'copy.json'), 'utf8'));
    expect(about.disks).toMatchObject([{ digest: expect.stringMatching(/^(xxh3-128|sha256) [0-9a-f]+$/) }]);
    expect(told).toHaveLength(3);
    expect(told.join()).toContain(`vmferry kept ${run}-extracted --remove`);
    expect((await stat(kept)).mode & 0o777).toBe(0o700);
  });

  it('are of packages, too', async () => {
    const { out, kept } = await converted({
      stages: ['converted'],
      request: { container: 'ova' as const, format: 'vmdk' },
    });
    const delivered = await readFile(join(out, 'web.ova'));
    expect((await readFile(join(kept, `${run}-converted`, 'web.ova'))).equals(delivered)).toBe(true);
  });

  it.each<KeepStage>(['extracted', 'changed', 'converted'])(
    'that fail in the middle (%s) are removed with a warning, and the conversion goes on',
    async (stage) => {
      const { end, out, copies, warnings } = await converted({ stages: [stage], writing: failing('kept') });
      expect(end).toMatchObject({
        outcome: { warning: expect.stringContaining('the copy could not be kept: the medium is gone') },
      });
      expect(await readdir(out)).toEqual(['web.qcow2']);
      expect(await copies()).toEqual([]);
      expect(warnings).toHaveLength(1);
    },
  );

  it.each<KeepStage>(['extracted', 'changed', 'converted'])(
    'stand back when the store fills up meanwhile (%s)',
    async (stage) => {
      let written = 0;
      const { end, out, copies, warnings } = await converted({
        stages: [stage],
        writing: (place, bytes) => {
          if (place === 'kept') written += bytes;
        },
        space: () => ({ totalBytes: 100 * MiB, freeBytes: written < 2 * MiB ? 12 * MiB : 4 * MiB }),
      });
      expect(end).toHaveProperty('outcome');
      expect(warnings.join()).toMatch(/could not be kept: .* are free and .* stay in reserve/);
      expect(await readdir(out)).toEqual(['web.qcow2']);
      expect(await copies()).toEqual([]);
      expect(written).toBeLessThan(size);
    },
  );

  it('of what was read and changed are whole although the delivery fails; there is none of what was not delivered', async () => {
    const { end, out, copies } = await converted({
      stages: ['extracted', 'changed', 'converted'],
      writing: failing('out'),
    });
    expect(end).toMatchObject({ error: { kind: 'io', message: 'the medium is gone' } });
    expect(await readdir(out).catch(() => [])).toEqual([]);
    expect(await copies()).toEqual([`${run}-changed`, `${run}-extracted`]);
  });

  it('are not begun where the conversion is blocked', async () => {
    const { end, copies, read, warnings } = await converted({
      stages: ['extracted', 'changed', 'converted'],
      request: { folder: '/etc/hostname' },
    });
    expect(end).toMatchObject({ error: { kind: 'blocked' } });
    expect(await copies()).toEqual([]);
    expect(read).toBeLessThan(size);
    expect(warnings.join()).not.toContain('could not be kept');
  });

  it('are gone when all is cancelled', async () => {
    const stop = new AbortController();
    const { end, out, copies } = await converted({
      stages: ['extracted', 'changed', 'converted'],
      writing: (place) => {
        if (place === 'out') stop.abort();
      },
      context: { signal: stop.signal },
    });
    expect(end).toMatchObject({ error: { kind: 'cancelled' } });
    expect(await readdir(out).catch(() => [])).toEqual([]);
    expect(await copies()).toEqual([]);
  });
});
