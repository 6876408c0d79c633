/** Verifying and mapping through the dispatcher, on real files of ours. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { describeCheck } from '../../src/headless/check.ts';
import type { MachineCheck } from '../../src/model/check-report.ts';
import { detailLines } from '../../src/screens/image/detail-view.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import type { Event } from '../../src/state/events.ts';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { KeychainStore } from '../../src/state/secrets/keychain-store.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import { History } from '../../src/state/stores/history.ts';
import { PreferencesStore } from '../../src/state/stores/preferences.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { encodeToFile, rawContent, writeRaw } from '../conformance/images.ts';
import { tempFolder } from '../temp.ts';

async function connected(folder: string) {
  const home = await tempFolder();
  const plugin = localPlugin({ imageExtensions: ['qcow2'] });
  const redactor = new Redactor();
  const keychain = new KeychainStore();
  const vault = new VaultStore(join(home, 'vault.json'));
  const dispatcher = new Dispatcher({
    plugins: [plugin],
    catalog: { environments: [plugin], products: [], formats: [] },
    preferences: new PreferencesStore(join(home, 'preferences.json'), () => undefined),
    profiles: new ProfileStore(join(home, 'profiles.json')),
    history: new History(join(home, 'runs'), { onFailure: () => undefined, redact: (text) => text }),
    secrets: new SecretKeeper({ openStores: async () => ({ keychain, vault }), redactor, canAsk: false }),
    redactor,
    interactive: false,
    givenSecrets: new Map(),
  });
  onTestFinished(() => dispatcher.perform({ type: 'terminate' }));
  const events: Event[] = [];
  dispatcher.watch((event) => events.push(event));
  await dispatcher.perform({ type: 'connect', environment: 'local', settings: { folders: folder } });
  return { dispatcher, events };
}

async function image() {
  const folder = await tempFolder();
  const content = rawContent('sparse');
  const raw = await writeRaw(join(await tempFolder(), 'disk.raw'), content);
  const [path] = await encodeToFile(qcow2Codec, raw, join(folder, 'disk.qcow2'));
  return { folder, path: path!, size: content.length };
}

const resultOf = (events: readonly Event[]): MachineCheck =>
  events.flatMap((e) => (e.type === 'machine-checked' && e.result !== undefined ? [e.result] : [])).at(-1)!;

it('verifies a machine, in the list or not', async () => {
  const { folder, path } = await image();
  const { dispatcher, events } = await connected(folder);
  await dispatcher.perform({ type: 'check-machine', id: path, deep: true });
  expect(describeCheck(resultOf(events))[0]).toBe(`${path}: qcow2, no errors`);
  await dispatcher.perform({ type: 'list' });
  await dispatcher.perform({ type: 'check-machine', id: path, deep: false });
  const [item] = dispatcher.getState().machines.items;
  expect(item!.check?.status).toBe('done');
  expect(detailLines(item!)[0]).toBe('Check: no errors');
});

it('tells what is wrong', async () => {
  const { folder, path } = await image();
  const bytes = await readFile(path);
  const table = Number(bytes.readBigUInt64BE(48));
  const block = Number(bytes.readBigUInt64BE(table));
  bytes.writeUInt16BE(9, block);
  bytes.writeUInt16BE(0, block + 2 * (table / 65536));
  await writeFile(path, bytes);
  const { dispatcher, events } = await connected(folder);
  await dispatcher.perform({ type: 'list' });
  await dispatcher.perform({ type: 'check-machine', id: path, deep: false });
  const lines = describeCheck(resultOf(events));
  expect(lines[0]).toBe(`${path}: qcow2, 1 error`);
  expect(lines.join('\n')).toContain(`the cluster at ${table} has a reference count of 0, 1 expected`);
  expect(lines.join('\n')).toContain('1 cluster (64 KiB) leaked');
  const [item] = dispatcher.getState().machines.items;
  expect(detailLines(item!)[0]).toEqual({ text: 'Check: 1 error', tone: 'error' });
});

it('gives up when it is told to', async () => {
  const { folder, path } = await image();
  const { dispatcher } = await connected(folder);
  await dispatcher.perform({ type: 'list' });
  const checking = dispatcher.perform({ type: 'check-machine', id: path, deep: true });
  await dispatcher.perform({ type: 'stop-check' });
  await expect(checking).rejects.toMatchObject({ kind: 'cancelled' });
  expect(dispatcher.getState().machines.items[0]!.check).toBeUndefined();
});

it('maps the whole disk, neighbours being of different kinds', async () => {
  const { folder, path, size } = await image();
  const { dispatcher, events } = await connected(folder);
  await dispatcher.perform({ type: 'map-machine', id: path });
  const extents = events.flatMap((e) => (e.type === 'machine-extents' ? e.extents : []));
  let at = 0;
  for (const [i, e] of extents.entries()) {
    expect(e.offset).toBe(at);
    expect(e.kind).not.toBe(extents[i - 1]?.kind);
    at += e.length;
  }
  expect(at).toBe(size);
});
