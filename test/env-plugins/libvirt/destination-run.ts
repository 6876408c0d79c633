/** A conversion of a disk file into a test's pool, as the program would run it. */
import { basename } from 'node:path';
import { codecById } from '../../../src/codecs/registry.ts';
import type { ConversionEvent, RunContext } from '../../../src/convert/run-context.ts';
import { type Outcome, runPlan } from '../../../src/convert/run-plan.ts';
import { localPlugin } from '../../../src/env-plugins/local/index.ts';
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { type Options, resolveOptions } from '../../../src/model/options.ts';
import type { Plan } from '../../../src/model/plan.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import type { TestPool } from './destination-pool.ts';

export const signal = new AbortController().signal;

export const machineOf = (name: string, rest: Partial<Machine> = {}): Machine => ({
  id: 'm',
  name,
  state: 'off',
  disks: [],
  nics: [],
  findings: [],
  ...rest,
});

export const requestOf = (
  pool: Pick<TestPool, 'settings'>,
  machine: Machine,
  rest: Partial<DeliveryRequest> = {},
): DeliveryRequest => ({
  name: machine.name,
  machine,
  settings: pool.settings,
  force: false,
  sync: false,
  runId: '20260101-000000-abcd',
  signal,
  ...rest,
});

export interface RunOptions {
  readonly format?: 'qcow2' | 'raw';
  readonly options?: Options;
  readonly machine?: Partial<Machine>;
  readonly settings?: Readonly<Record<string, string>>;
  readonly force?: boolean;
  readonly start?: boolean;
  readonly signal?: AbortSignal;
  readonly on?: (event: ConversionEvent) => void;
  readonly context?: Partial<RunContext>;
}

export async function convertInto(
  pool: TestPool,
  disk: string,
  name: string,
  {
    format = 'qcow2',
    options = {},
    machine = {},
    force = false,
    start = false,
    on,
    ...rest
  }: RunOptions = {},
): Promise<Outcome> {
  const plan: Plan = {
    version: 1,
    source: { environment: 'local', settings: {}, machine: disk, follow: false },
    machine: machineOf(name, {
      id: disk,
      disks: [{ id: 'disk0', name: basename(disk), files: [disk], bus: 'sata', bootable: true }],
      ...machine,
    }),
    destination: {
      environment: 'libvirt',
      settings: { ...pool.settings, ...rest.settings },
      product: 'qemu',
      container: 'disks',
      format,
      options: resolveOptions(codecById(format).encoder!.options, options),
    },
    force,
    sync: true,
    start,
  };
  const local = localPlugin({ imageExtensions: ['raw', 'qcow2'] });
  return runPlan(plan, {
    connect: async ({ environment }) =>
      environment === 'local' ? local.connect({}, noSecrets()) : pool.session,
    runId: '20260101-000000-abcd',
    signal: rest.signal ?? signal,
    gate: async () => undefined,
    emit: (event) => on?.(event),
    ...rest.context,
  });
}
