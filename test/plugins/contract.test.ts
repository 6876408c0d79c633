/** What else the contract has comes through the guard, and through the protocol, and is checked. */
import { expect, it, onTestFinished } from 'vitest';
import type { Delivery, DeliveryRequest, EnvironmentPlugin, Session } from '../../src/env-plugins/plugin.ts';
import type { Machine } from '../../src/model/machine.ts';
import { guarded } from '../../src/plugins/guard.ts';
import { noSecrets } from '../conformance/test-plugin.ts';
import { overStreams } from '../plugin-process/over-streams.ts';

const signal = new AbortController().signal;
const machine: Machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] };
const finding = { rule: 'x.way', severity: 'note', message: 'read slowly' } as const;
const request: DeliveryRequest = {
  ...{ name: 'm', machine, settings: {}, force: false, sync: false, runId: 'r', signal },
};

function plugin(destination: Partial<Session['destination']> = {}, wrong = false): EnvironmentPlugin {
  const disk = {
    source: {
      name: 'd',
      size: 0,
      access: 'random',
      read: async () => undefined,
      close: async () => undefined,
    },
    findings: [finding],
    sibling: () => Promise.reject(new Error('none')),
  } as const;
  const session: Session = {
    source: {
      lookWhenChosen: true,
      list: async () => undefined,
      async watch({ signal: watching, found, gone }) {
        gone('m');
        found(wrong ? ({ id: 7 } as unknown as Machine) : machine);
        if (watching.aborted) return;
        await new Promise((resolve) => watching.addEventListener('abort', resolve, { once: true }));
      },
      inspect: async () => machine,
      open: async () => disk,
    },
    destination: {
      options: { vmdk: { subformat: 'streamOptimized' } },
      hardware: async ({ name }) => ({ disks: [], nics: [{ model: name }], firmware: { kind: 'uefi' } }),
      check: async () => [],
      begin: () => Promise.reject(new Error('not here')),
      ...destination,
    },
    close: async () => undefined,
  };
  return {
    ...{ id: 'x', label: 'X', summary: 'x', roles: ['source', 'destination'], fields: [] },
    connect: async () => session,
  };
}

const guard = (of: EnvironmentPlugin): EnvironmentPlugin => {
  const { connect: _, ...description } = of;
  return guarded(of, description);
};

it.each([
  ['the guard', guard],
  ['the protocol', overStreams],
])('%s passes on options, hardware, findings of a disk, and when to look into it', async (_, wrapped) => {
  const { source, destination, close } = await wrapped(plugin()).connect({}, { ...noSecrets(), signal });
  expect(source!.lookWhenChosen).toBe(true);
  expect((await source!.open(machine, 'd', signal)).findings).toEqual([finding]);
  expect(destination!.options).toEqual({ vmdk: { subformat: 'streamOptimized' } });
  expect(await destination!.hardware!(request)).toEqual({
    ...{ disks: [], nics: [{ model: 'm' }] },
    firmware: { kind: 'uefi' },
  });
  await close();
});

it.each([
  ['the guard', guard],
  ['the protocol', overStreams],
])('%s refuses hardware and options that are none', async (_, wrapped) => {
  const wrong = { hardware: async () => ({ disks: [{}], nics: [] }) as never };
  const session = await wrapped(plugin(wrong)).connect({}, { ...noSecrets(), signal });
  await expect(session.destination!.hardware!(request)).rejects.toMatchObject({ kind: 'bug' });
  await session.close();
  const options = { options: { vmdk: 'thin' } as never };
  await expect(wrapped(plugin(options)).connect({}, { ...noSecrets(), signal })).rejects.toMatchObject({
    kind: 'bug',
  });
});

it.each([
  ['the guard', guard],
  ['the protocol', overStreams],
])('%s passes on what changes, until it is ended or what is told is wrong', async (_, wrapped) => {
  const watching = async (wrong: boolean, ended: AbortController) => {
    const session = await wrapped(plugin({}, wrong)).connect({}, { ...noSecrets(), signal });
    onTestFinished(() => session.close());
    const told: unknown[] = [];
    await session.source!.watch!({
      signal: ended.signal,
      gone: (id) => void told.push(id),
      found(one) {
        told.push(one);
        ended.abort();
      },
    });
    return told;
  };
  expect(await watching(false, new AbortController())).toEqual(['m', machine]);
  await expect(watching(true, new AbortController())).rejects.toMatchObject({ kind: 'bug' });
});

it.each([
  ['the guard', guard],
  ['the protocol', overStreams],
])('%s passes on what a rollback leaves; nothing said is nothing left', async (_, wrapped) => {
  const left = [{ what: 'a half disk', command: 'rm x' }, { what: 'a lease' }];
  const after = async (rollback: () => Promise<unknown>) => {
    const never = () => Promise.reject(new Error('not here'));
    const begin = async () => ({ sink: never, commit: never, rollback }) as Delivery;
    const session = await wrapped(plugin({ begin })).connect({}, { ...noSecrets(), signal });
    const delivery = await session.destination!.begin(request);
    const told = await delivery.rollback();
    await session.close();
    return told;
  };
  expect(await after(async () => left)).toEqual(left);
  expect(await after(async () => undefined)).toEqual([]);
  expect(await after(async () => 'all')).toEqual([{ what: expect.stringContaining('could not tell') }]);
  expect(await after(() => Promise.reject(new Error('x')))).toEqual([
    { what: expect.stringContaining('could not tell') },
  ]);
});
