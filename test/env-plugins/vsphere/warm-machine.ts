/** A machine of vcsim that is carried while it runs, and whose disk is written to between the passes. */
import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import { makePlan } from '../../../src/convert/make-plan.ts';
import type { ConversionEvent } from '../../../src/convert/run-context.ts';
import { runPlan } from '../../../src/convert/run-plan.ts';
import { localPlugin } from '../../../src/env-plugins/local/index.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Warm } from '../../../src/model/plan.ts';
import { MiB } from '../../../src/model/units.ts';
import type { Vcsim } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, never, vmfsDescriptor } from './connected.ts';

export const machineName = 'DC0_H0_VM0';

export async function putDisk(server: Vcsim, bytes: Buffer, name = 'disk1'): Promise<void> {
  await server.put(`${machineName}/${name}.vmdk`, vmfsDescriptor(bytes.length, `${name}-flat.vmdk`));
  await server.put(`${machineName}/${name}-flat.vmdk`, bytes);
}

export interface CarryOptions {
  readonly warm?: Partial<Warm>;
  /** Before the pass of this number holds the machine. */
  before?(pass: number): Promise<void>;
  readonly signal?: AbortSignal;
  onEvent?(event: ConversionEvent): void;
  readonly confirm?: boolean;
}

export async function carry(server: Vcsim, options: CarryOptions = {}) {
  const folder = await tempFolder();
  const session = await connected(server, {
    confirm: async (question) => !question.includes('tracking') || options.confirm === true,
  });
  const source = watched(session, options.before ?? (async () => undefined));
  const machine = await session.source!.inspect(machineName, never);
  const plan = makePlan({
    source: { environment: 'vsphere', settings: {}, machine: machine.id, follow: false },
    ...{ machine, product: 'files', format: 'raw', container: 'disks', options: {} },
    ...{ folder, file: 'result.raw', force: false, sync: false },
    warm: { shutDown: true, turnOn: false, ...options.warm },
  });
  const events: ConversionEvent[] = [];
  const local = await localPlugin({ imageExtensions: [] }).connect({}, { ...silent, signal: never });
  const outcome = runPlan(plan, {
    connect: async ({ environment }) => (environment === 'local' ? local : source),
    runId: 'warm',
    signal: options.signal ?? never,
    gate: async () => undefined,
    emit(event) {
      events.push(event);
      options.onEvent?.(event);
    },
    lookMilliseconds: 20,
  });
  outcome.catch(() => undefined);
  const logs = () => events.flatMap((e) => (e.type === 'log' ? [e.text] : []));
  const passes = () => events.flatMap((e) => (e.type === 'pass' ? [e.pass] : []));
  /** The source is as it was. */
  const expectClean = async () => {
    expect((await session.source!.inspect(machineName, never)).snapshots).toBeUndefined();
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  };
  return { folder, outcome, logs, passes, expectClean, session };
}

const silent = {
  secret: () => Promise.reject(new Error('no secrets')),
  report: () => undefined,
  confirm: async () => false,
};

function watched({ source }: Session, before: (pass: number) => Promise<void>): Session {
  let pass = 0;
  return {
    source: {
      ...source!,
      async track(machine, options) {
        const tracking = await source!.track!(machine, options);
        return {
          ...tracking,
          async pass(holding) {
            await before(++pass);
            return tracking.pass(holding);
          },
        };
      },
    },
    close: async () => undefined,
  };
}

/** 16 MiB: data at its start and its end, zeros between. */
export function someDisk(random: (bytes: number) => Buffer): Buffer {
  const disk = Buffer.alloc(16 * MiB);
  random(2 * MiB).copy(disk);
  random(4096).copy(disk, disk.length - 4096);
  return disk;
}
