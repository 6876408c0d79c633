/** vmrest, by a fake of it and the real curl. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type FakeVmrest, startVmrest } from '../../servers/vmrest.ts';
import { tempFolder } from '../../temp.ts';
import { ownMachine } from './machine-folder.ts';

const signal = new AbortController().signal;

const connect = (vmrest: FakeVmrest, folders: string, password = vmrest.password): Promise<Session> =>
  vmwareFilesPlugin().connect(
    { folders, vmrest: vmrest.address, vmrestUser: vmrest.user },
    { ...noSecrets(), secret: async () => password },
  );

async function listed(session: Session): Promise<[string, string][]> {
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void found.push(machine) });
  return found.map(({ name, state }) => [name, state]);
}

describeWith(['curl'], 'vmrest', () => {
  it('tells machines that are in no folder that is looked through, and which run', async () => {
    const vmrest = await startVmrest();
    const root = await tempFolder();
    for (const [id, name, state] of [
      ['ONE', 'one', 'poweredOn'],
      ['TWO', 'two', 'poweredOff'],
      ['THREE', 'three', 'paused'],
    ] as const)
      vmrest.machines.set(id, {
        path: await ownMachine(name === 'one' ? join(root, 'seen') : root, name, ['memsize = "64"']),
        state,
      });
    vmrest.machines.set('GONE', { path: join(root, 'gone/gone.vmx'), state: 'poweredOff' });
    const session = await connect(vmrest, join(root, 'seen'));
    expect(await listed(session)).toEqual([
      ['one', 'running'],
      ['two', 'off'],
      ['three', 'running'],
    ]);
    await session.close();
  });

  it('takes a machine into its library and starts it', async () => {
    const vmrest = await startVmrest();
    const root = await tempFolder();
    const session = await connect(vmrest, root);
    const delivery = await session.destination!.begin({
      name: 'Büro "1"',
      machine: { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] },
      settings: { folder: root },
      ...{ force: false, sync: false, runId: 'r1', signal },
    });
    const paths = await delivery.commit();
    expect(await delivery.start!(signal)).toBe('running');
    expect([...vmrest.machines.values()]).toEqual([
      { path: paths.find((path) => path.endsWith('.vmx')), state: 'poweredOn' },
    ]);
    await session.close();
  });

  it('a wrong password, nobody there, and an address that would show the password are told', async () => {
    const vmrest = await startVmrest();
    const root = await tempFolder();
    await expect(connect(vmrest, root, 'wrong')).rejects.toMatchObject({ kind: 'auth' });
    await expect(connect({ ...vmrest, address: 'http://127.0.0.1:9' }, root)).rejects.toMatchObject({
      kind: 'unreachable',
    });
    for (const address of [
      'http://vm.example:8697',
      'file:///etc/passwd',
      'http://127.0.0.1:1/x"\noutput="y',
    ])
      await expect(connect({ ...vmrest, address }, root)).rejects.toMatchObject({ kind: 'usage' });
  });
});
