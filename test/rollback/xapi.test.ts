/** A pool of XenServer: each request of a delivery fails once, and no machine, disk or task of it is left. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { beginDelivery } from '../../src/env-plugins/xapi/delivery.ts';
import { XapiSession } from '../../src/env-plugins/xapi/session.ts';
import { openHttps } from '../../src/io/https/client.ts';
import { forgottenCertificates } from '../../src/io/https/known-certificates.ts';
import type { Machine } from '../../src/model/machine.ts';
import { type FakeXapi, startXapi } from '../servers/xapi.ts';
import type { Faults } from './faults.ts';
import { faultyClient } from './faulty-client.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

// Nobody waits for a server that is gone.
vi.mock('node:timers/promises', async (original) => {
  const real = await original<typeof import('node:timers/promises')>();
  return { ...real, setTimeout: (_ms: number, value: unknown, o: object) => real.setTimeout(1, value, o) };
});

const KiB = 1024;
const machine: Machine = {
  ...{ id: 'm', name: 'web', state: 'off', findings: [] },
  disks: ['a', 'b'].map((id) => ({ id, name: id, virtualSizeBytes: 4 * KiB, files: [] })),
  nics: [{ mac: '52:54:00:12:34:56' }],
  devices: { cdroms: [{}] },
};
const files = { 'a.raw': Buffer.alloc(4 * KiB, 1), 'b.raw': Buffer.alloc(4 * KiB, 2) };

/** Names of what is there, and tasks that have not ended. */
function thereIs({ database }: FakeXapi): string[] {
  const labels = (['VM', 'VDI'] as const).flatMap((kind) =>
    [...database.of(kind).values()].map(({ name_label }) => `${kind} ${name_label}`),
  );
  const tasks = [...database.of('task').values()].filter(({ status }) => status === 'pending');
  const parts = `${database.of('VBD').size} VBDs, ${database.of('VIF').size} VIFs`;
  return [...labels.sort(), parts, ...tasks.map(({ name_label }) => `task ${name_label}`)];
}

/** Nor for its word on what broke. */
function inHaste(): void {
  const real = AbortSignal.timeout.bind(AbortSignal);
  vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => real(10));
  onTestFinished(() => void vi.restoreAllMocks());
}

async function scenes(transfer: 'disks' | 'xva'): Promise<() => Promise<Scene>> {
  inHaste();
  const server = await startXapi();
  let current: Faults | undefined;
  const client = await openHttps({
    ...{ host: '127.0.0.1', port: server.port, confirm: async () => true },
    known: forgottenCertificates(),
  });
  const faulty = faultyClient(client, () => current);
  const login = { user: server.user, password: async () => server.password };
  const session = await XapiSession.open(faulty, login, async () => faulty, new AbortController().signal);
  onTestFinished(() => session.close());
  return async () => {
    current = undefined;
    for (const kind of ['VDI', 'VBD', 'VIF', 'task']) server.database.of(kind).clear();
    for (const [ref, { name_label }] of server.database.of('VM'))
      if (/web/.test(name_label)) server.database.of('VM').delete(ref);
    return {
      files,
      begin(faults, signal) {
        current = faults;
        return beginDelivery(session, requestOf({ name: 'web', machine, settings: { transfer }, signal }));
      },
      async there() {
        return thereIs(server);
      },
      run: (commands) => runXe(server, commands),
    };
  };
}

/** The few commands of xe that are told. */
async function runXe({ database }: FakeXapi, commands: string): Promise<void> {
  for (const line of commands.split('\n')) {
    const [, list, verb, uuid, label] =
      /^xe (vm|vdi|task)-(destroy|cancel) uuid=(?:'([0-9a-f-]{36})'|"\$\(xe \1-list 'name-label=([^']+)' --minimal\)")$/.exec(
        line,
      ) ?? [];
    expect(list, line).toBeDefined();
    const kind = list === 'task' ? 'task' : list!.toUpperCase();
    for (const [ref, record] of database.of(kind)) {
      if (record.uuid !== uuid && record.name_label !== label) continue;
      if (verb === 'cancel') record.status = 'cancelled';
      else if (kind === 'VM') database.destroyVm(ref);
      else database.destroyVdi(ref);
    }
  }
}

it.each(['disks', 'xva'] as const)('leaves nothing, sent as %s', async (transfer) => {
  const steps = await sweep(await scenes(transfer), { every: 5 });
  expect(steps.filter((step) => /VM.set_name_label/.test(step))).toHaveLength(1);
});
