/** Listing, refreshing and connecting again, with this computer's own plugin on real files. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { EnvironmentPlugin, SourceRole, WatchOptions } from '../../src/env-plugins/plugin.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import type { Event } from '../../src/state/events.ts';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { KeychainStore } from '../../src/state/secrets/keychain-store.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import { firmwareOf } from '../../src/state/state.ts';
import { History } from '../../src/state/stores/history.ts';
import { PreferencesStore } from '../../src/state/stores/preferences.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { tempFolder } from '../temp.ts';

async function dispatcherOn(folder: string, role: Pick<SourceRole, 'lookWhenChosen' | 'watch'> = {}) {
  const home = await tempFolder();
  const local = localPlugin({ imageExtensions: ['raw', 'vmdk'] });
  const plugin: EnvironmentPlugin = {
    ...local,
    async connect(settings, context) {
      const session = await local.connect(settings, context);
      return { ...session, source: { ...session.source!, ...role } };
    },
  };
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
    interactive: role.watch !== undefined,
    givenSecrets: new Map(),
  });
  onTestFinished(() => dispatcher.perform({ type: 'terminate' }));
  const events: Event[] = [];
  dispatcher.watch((event) => events.push(event));
  const connect = (folders = folder) =>
    dispatcher.perform({ type: 'connect', environment: 'local', settings: { folders } });
  await connect();
  await dispatcher.perform({ type: 'list' });
  const names = () =>
    dispatcher
      .getState()
      .machines.items.map((item) => item.machine.name)
      .sort();
  const chosen = () => dispatcher.getState().selected;
  return { dispatcher, events, connect, names, chosen };
}

async function folderWith(...names: string[]): Promise<string> {
  const folder = await tempFolder();
  for (const name of names) await writeFile(join(folder, name), Buffer.alloc(4096, 1));
  return folder;
}

it('drops at a refresh what is gone, also from what is chosen, and plans anew', async () => {
  const folder = await folderWith('web.raw', 'old.raw');
  const { dispatcher, events, names, chosen } = await dispatcherOn(folder);
  await dispatcher.perform({ type: 'select', ids: [join(folder, 'web.raw'), join(folder, 'old.raw')] });
  expect(dispatcher.getState().planned.plans).toHaveLength(2);
  await rm(join(folder, 'old.raw'));
  events.length = 0;
  await dispatcher.perform({ type: 'list' });
  expect(names()).toEqual(['web']);
  expect(chosen()).toEqual([join(folder, 'web.raw')]);
  expect(dispatcher.getState().planned.plans).toHaveLength(1);
  expect(dispatcher.getState().notice?.text).toBe('chosen before and not there any more: old');
});

it('keeps at a refresh what is known of the others on the screen', async () => {
  const folder = await folderWith('web.raw');
  const { dispatcher, names } = await dispatcherOn(folder);
  const seen = new Set<string>();
  dispatcher.subscribe(() => {
    const item = dispatcher.getState().machines.items[0];
    seen.add(`${item?.machine.disks[0]?.format} ${Object.keys(item?.images ?? {}).length}`);
  });
  await dispatcher.perform({ type: 'list' });
  expect(names()).toEqual(['web']);
  expect([...seen]).toEqual(['raw 1']);
});

it('does not show the parts of a machine again at a refresh, until they are parts no more', async () => {
  const folder = await folderWith('disk-flat.vmdk');
  const descriptor = join(folder, 'disk.vmdk');
  await writeFile(
    descriptor,
    '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n' +
      'RW 8 FLAT "disk-flat.vmdk" 0\n',
  );
  const { dispatcher, events, names } = await dispatcherOn(folder);
  expect(names()).toEqual(['disk']);
  events.length = 0;
  await dispatcher.perform({ type: 'list' });
  expect(events.filter((e) => e.type === 'machine-found').map((e) => e.machine.name)).toEqual(['disk']);
  await rm(descriptor);
  await dispatcher.perform({ type: 'list' });
  expect(names()).toEqual(['disk-flat']);
});

it('keeps what was added by its path as long as it is there', async () => {
  const folder = await folderWith('web.raw');
  const far = join(await folderWith('far.raw'), 'far.raw');
  const { dispatcher, names, chosen } = await dispatcherOn(folder);
  await dispatcher.perform({ type: 'add-machine', id: far, select: true });
  await dispatcher.perform({ type: 'list' });
  expect(names()).toEqual(['far', 'web']);
  expect(chosen()).toEqual([far]);
  await rm(far);
  await dispatcher.perform({ type: 'list' });
  expect(names()).toEqual(['web']);
  expect(chosen()).toEqual([]);
});

it('plans anew when a machine that was chosen early has been looked into', async () => {
  const folder = await folderWith('web.raw');
  const { dispatcher, events } = await dispatcherOn(folder);
  await dispatcher.perform({ type: 'connect', environment: 'local', settings: { folders: '/nowhere' } });
  let selecting: Promise<void> | undefined;
  const stop = dispatcher.watch((event) => {
    if (event.type !== 'machine-found') return;
    stop();
    selecting = dispatcher.perform({ type: 'select', ids: [event.machine.id] });
  });
  await dispatcher.perform({ type: 'connect', environment: 'local', settings: { folders: folder } });
  // Unknown here: connecting again keeps the list, and this one must be new.
  await rm(join(folder, 'web.raw'));
  await writeFile(join(folder, 'new.raw'), Buffer.alloc(4096, 1));
  events.length = 0;
  await dispatcher.perform({ type: 'list' });
  await selecting;
  const surveyed = events.findIndex((e) => e.type === 'machine-surveyed');
  expect(events.slice(surveyed).some((e) => e.type === 'planned')).toBe(true);
  expect(dispatcher.getState().planned).toMatchObject({ status: 'ready', bytes: 4096 });
});

it('keeps what is chosen when the same environment is connected again, as long as it is there', async () => {
  const folder = await folderWith('web.raw');
  const { dispatcher, connect, chosen, names } = await dispatcherOn(folder);
  const ids = [join(folder, 'web.raw')];
  await dispatcher.perform({ type: 'select', ids });
  await connect(`${folder}:${await tempFolder()}`);
  await dispatcher.perform({ type: 'list' });
  expect(chosen()).toEqual(ids);
  await connect(await tempFolder());
  await dispatcher.perform({ type: 'list' });
  expect(chosen()).toEqual([]);
  expect(names()).toEqual([]);
  await connect();
  await dispatcher.perform({ type: 'list' });
  await dispatcher.perform({ type: 'select', ids });
  const settings = { folders: folder, follow: 'yes' };
  await dispatcher.perform({ type: 'connect', environment: 'local', settings });
  expect(chosen()).toEqual(ids);
});

it('says what a machine starts by as the first of its disks that tells it', async () => {
  const folder = await folderWith('web.raw');
  const { dispatcher } = await dispatcherOn(folder);
  const item = dispatcher.getState().machines.items[0]!;
  const disk = item.machine.disks[0]!;
  const report = item.reports[disk.id]!;
  const two = { ...item.machine, disks: [disk, { ...disk, id: 'second' }] };
  const by = (first: typeof report.firmware, second: typeof report.firmware) =>
    firmwareOf({
      ...item,
      machine: two,
      reports: { [disk.id]: { ...report, firmware: first }, second: { ...report, firmware: second } },
    });
  expect(by('unknown', 'uefi')).toBe('uefi');
  expect(by('bios', 'uefi')).toBe('bios');
  expect(by('both', 'unknown')).toBeUndefined();
});

it('looks into the disks of those alone that are chosen, where that is asked for', async () => {
  const folder = await folderWith('a.raw', 'b.raw', 'c.vmdk');
  const [a, b, c] = ['a.raw', 'b.raw', 'c.vmdk'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const { dispatcher, events, chosen } = await dispatcherOn(folder, { lookWhenChosen: true });
  const surveys = () => dispatcher.getState().machines.items.map(({ survey }) => survey);
  expect(surveys()).toEqual(['later', 'later', 'later']);
  const settled = (id: string) =>
    expect.poll(() => dispatcher.getState().machines.items.find((i) => i.machine.id === id)?.survey);
  await dispatcher.perform({ type: 'select', ids: [a] });
  await settled(a).toBe('done');
  await dispatcher.perform({ type: 'select', ids: [c] });
  await settled(c).toBe('failed');
  await expect
    .poll(() => dispatcher.getState().planned.findings.map(({ rule }) => rule))
    .toContain('machine.unreadable');
  expect(surveys()).toEqual(['done', 'later', 'failed']);
  await dispatcher.perform({ type: 'look-into', ids: [b] });
  expect(surveys()).toEqual(['done', 'done', 'failed']);
  // Listed anew: what is chosen is looked into anew.
  events.length = 0;
  await dispatcher.perform({ type: 'list' });
  expect(chosen()).toEqual([c]);
  expect(surveys()).toEqual(['later', 'later', 'failed']);
});

/** An environment that tells what changes there: by hand. */
async function watchedOn(folder: string) {
  const options: WatchOptions[] = [];
  let fail: (error: Error) => void = () => undefined;
  const on = await dispatcherOn(folder, {
    watch: (given) =>
      new Promise((resolve, reject) => {
        options.push(given);
        fail = reject;
        given.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  });
  const item = () => on.dispatcher.getState().machines.items.find(({ machine }) => machine.name !== 'new');
  return { ...on, options, item, fail: (error: Error) => fail(error) };
}

it('shows what the environment says has changed, in place, and looks into it again', async () => {
  const { dispatcher, options, item, names, events, chosen } = await watchedOn(await folderWith('web.raw'));
  const [told] = options;
  const { machine, images } = item()!;
  expect(Object.keys(images)).toHaveLength(1);
  events.length = 0;
  told!.found({ ...machine, name: 'other', disks: [{ ...machine.disks[0]!, name: 'as a list has it' }] });
  await expect.poll(() => item()?.machine.name).toBe('other');
  // Nothing that a disk depends on: it is not read again, and stays as it was found.
  expect(item()!.machine.disks).toEqual(machine.disks);
  expect(item()!.images).toEqual(images);
  expect(events.map(({ type }) => type)).toEqual(['machine-changed']);

  told!.found({ ...machine, state: 'running' });
  await expect.poll(() => item()?.survey).toBe('done');
  expect(item()!.machine.state).toBe('running');
  expect(events.some(({ type }) => type === 'machine-surveyed')).toBe(true);

  told!.found({ ...machine, id: `${machine.id}.new`, name: 'new', disks: [] });
  await expect.poll(names).toEqual(['new', 'web']);
  await dispatcher.perform({ type: 'select', ids: [machine.id] });
  told!.gone(machine.id);
  await expect.poll(names).toEqual(['new']);
  expect(chosen()).toEqual([]);
  const notice = () => dispatcher.getState().notice?.text;
  await expect.poll(notice).toBe('chosen before and not there any more: web');
});

it('ends what it watches with a new list, with the connection, and says when it is told no more', async () => {
  const { dispatcher, options, connect, fail } = await watchedOn(await folderWith('web.raw'));
  await dispatcher.perform({ type: 'list' });
  expect(options.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  fail(new Error('the link is gone'));
  await expect.poll(() => dispatcher.getState().notice?.text).toMatch(/not shown any more.*the link is gone/);
  await dispatcher.perform({ type: 'list' });
  await connect();
  expect(options.at(-1)!.signal.aborted).toBe(true);
});
