/** vcsim: requests of a delivery fail, and neither a machine nor a file of it is left. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { destinationRole } from '../../src/env-plugins/vsphere/destination.ts';
import { reachHost } from '../../src/env-plugins/vsphere/reach-host.ts';
import { VimSession } from '../../src/env-plugins/vsphere/session.ts';
import { openHttps } from '../../src/io/https/client.ts';
import { forgottenCertificates } from '../../src/io/https/known-certificates.ts';
import type { Machine } from '../../src/model/machine.ts';
import { MiB } from '../../src/model/units.ts';
import { connected, listed } from '../env-plugins/vsphere/connected.ts';
import { plainMachine, requestFor, stream } from '../env-plugins/vsphere/deliver.ts';
import { python } from '../env-plugins/vsphere/pyvmomi.ts';
import { describeWith } from '../oracles/requires.ts';
import { pyvmomiTools, startVcsim, type Vcsim, vcsimTools } from '../servers/vcsim.ts';
import type { Faults } from './faults.ts';
import { faultyClient } from './faulty-client.ts';
import { type Scene, sweep } from './sweep.ts';

// Nobody waits for a server that is gone.
vi.mock('node:timers/promises', async (original) => {
  const real = await original<typeof import('node:timers/promises')>();
  return { ...real, setTimeout: (_ms: number, value: unknown, o: object) => real.setTimeout(1, value, o) };
});

const machine: Machine = {
  ...plainMachine,
  name: 'new',
  firmware: { kind: 'uefi' },
  disks: ['a', 'b'].map((id) => ({ id, name: id, files: [], virtualSizeBytes: MiB })),
};

async function scenes(server: Vcsim): Promise<() => Promise<Scene>> {
  const bytes = await stream(Buffer.alloc(MiB));
  const files = { 'a.vmdk': bytes, 'b.vmdk': bytes };
  let current: Faults | undefined;
  const signal = new AbortController().signal;
  const client = await openHttps({
    ...{ host: '127.0.0.1', port: server.port, confirm: async () => true },
    known: forgottenCertificates(),
  });
  const faulty = faultyClient(client, () => current);
  const { user, password } = server;
  const session = await VimSession.open(faulty, { user, password: async () => password }, signal);
  onTestFinished(async () => {
    current = undefined;
    await session.close();
  });
  const looking = await connected(server);
  const there = async () => {
    const names = (await listed(looking)).map(({ name }) => name).sort();
    const path = '/folder/new/new.vmx?dcPath=DC0&dsName=LocalDS_0';
    const { status } = await client.send({ path, step: 'looking for its file' });
    return { names, file: status };
  };
  const remove = (uuid: string) =>
    python(
      server,
      `vms2 = [v for v in vms.values() if v.config.uuid == "${uuid}"]\nfor v in vms2: v.Destroy_Task()\nout = 1`,
    );
  return async () => {
    current = undefined;
    if ((await there()).names.includes('new')) await python(server, 'vms["new"].Destroy_Task()\nout = 1');
    return {
      files,
      begin(faults, abort) {
        current = faults;
        const request = requestFor(machine, { signal: abort, nvram: Buffer.from('VARS') });
        return destinationRole(session, reachHost(false)).begin(request);
      },
      there,
      async run(commands) {
        const [, uuid] = /^'govc' 'vm\.destroy' '-vm\.uuid' '([0-9a-f-]{36})'$/.exec(commands) ?? [];
        expect(uuid, commands).toBeDefined();
        await remove(uuid!);
      },
    };
  };
}

describeWith([...vcsimTools, ...pyvmomiTools], 'a vSphere server', () => {
  it('has nothing of a delivery that failed', async () => {
    const steps = await sweep(await scenes(await startVcsim()), { every: 6 });
    expect(steps.length).toBeGreaterThan(20);
  });
});
