import { describe, expect, it } from 'vitest';
import {
  profileFields,
  saveCommand,
  settingsText,
  statusOfRow,
  storeLines,
  vaultFields,
} from '../../src/screens/credentials/credentials-view.ts';
import { validate } from '../../src/screens/widgets/form-state.ts';
import type { State } from '../../src/state/state.ts';
import { drawApp, keys } from './draw.tsx';
import { base, catalog, profiles, states } from './states.ts';

const vsphere = catalog.environments[1]!;
const store = base.secretStore!;

describe('views', () => {
  it.each([
    [{ ...store }, /^Secrets are kept in: an encrypted file.*json$/],
    [{ ...store, choice: 'vault' as const }, /\(chosen by you\)$/],
    [{ ...store, status: 'locked' as const }, /locked: u unlocks it$/],
    [{ ...store, status: 'absent' as const }, /made with the first password, or by u$/],
    [undefined, /looking for a place/],
  ])('say where secrets are', (info, expected) => {
    const lines = storeLines(info).map((line) => line.text);
    expect(lines.some((line) => expected.test(line))).toBe(true);
  });

  it('say why not elsewhere', () => {
    expect(storeLines(store)[1]?.text).toBe('  the system keychain: no secret service is running');
  });

  it('show settings that tell profiles apart', () => {
    expect(settingsText(profiles[0]!, base)).toBe('vcenter.lab.example, operator');
  });

  it.each([
    [{ profile: 'p1' }, 'in use'],
    [{ profileTest: { profile: 'p1', status: 'failed', text: '' } }, 'FAILED'],
    [{ profileTest: { profile: 'p2', status: 'passed', text: '' } }, ''],
  ] as [Partial<State>, string][])('say how a profile stands: %j', (change, expected) => {
    expect(statusOfRow(profiles[0]!, { ...base, ...change })).toBe(expected);
  });

  it('need no secret again when one is kept', () => {
    const password = (profile: (typeof profiles)[number] | undefined) =>
      profileFields(vsphere, profile, base).find((f) => f.key === 'password');
    expect(password(undefined)).toMatchObject({ required: true, kind: 'secret' });
    expect(password(profiles[0])).toMatchObject({ required: false, placeholder: '(unchanged)' });
  });

  it('part settings from secrets, and leave an empty secret out', () => {
    const values = {
      'profile name': ' lab ',
      host: 'h',
      port: '',
      user: 'u',
      password: 's3cret',
      tls: 'pin',
    };
    expect(saveCommand(vsphere, values, undefined)).toEqual({
      type: 'save-profile',
      name: 'lab',
      environment: 'vsphere',
      settings: { host: 'h', user: 'u', tls: 'pin' },
      secrets: { password: 's3cret' },
    });
    expect(saveCommand(vsphere, { ...values, password: '' }, profiles[0]!)).toMatchObject({
      id: 'p1',
      secrets: {},
    });
  });

  it.each([
    ['absent', { passphrase: 'short', again: 'short' }, { passphrase: 'at least 8 characters' }],
    ['absent', { passphrase: 'long enough', again: 'long enoug' }, { again: 'the two are not the same' }],
    ['absent', { passphrase: 'long enough', again: 'long enough' }, {}],
    ['locked', { passphrase: 'short' }, {}],
  ] as const)('check a passphrase: %s %j', (status, values, expected) => {
    expect(validate(vaultFields(status), values)).toEqual(expected);
  });
});

it('goes on without, or with a profile', async () => {
  const app = drawApp(states.credentials!);
  await app.press(keys.enter);
  await app.shows('[2 Environment]');
  expect(app.port.sent[0]).toEqual({ type: 'choose-profile' });
  await app.press('1', keys.down, keys.enter);
  await app.shows('[2 Environment]');
  expect(app.port.sent).toContainEqual({ type: 'choose-profile', id: 'p1' });
});

it('adds a profile, and never shows the secret', async () => {
  const app = drawApp(states.credentials!);
  await app.press('a', keys.right, keys.enter);
  await app.shows('Add: VMware vSphere');
  await app.press('lab 2', keys.tab, 'host.example', keys.tab, keys.tab, 'op', keys.enter);
  await app.shows('! Password is needed');
  await app.press('s3cret');
  const frame = await app.shows('••••••');
  expect(frame).not.toContain('s3cret');
  await app.press(keys.enter);
  await app.shows('Continue without credentials');
  expect(app.port.sent).toEqual([
    {
      type: 'save-profile',
      name: 'lab 2',
      environment: 'vsphere',
      settings: { host: 'host.example', port: '443', user: 'op', tls: 'verify' },
      secrets: { password: 's3cret' },
    },
  ]);
  expect(JSON.stringify(app.port.getState())).not.toContain('s3cret');
});

it('opens the vault before a secret goes there', async () => {
  const app = drawApp(states['credentials-locked']!);
  await app.press(keys.down, 't');
  await app.shows('Not now: the vault is not open; u opens it');
  await app.press('e', keys.up, keys.up, 'new', keys.enter);
  await app.shows('Unlock the vault');
  await app.press('wrong', keys.enter);
  await app.shows('Unlock the vault');
  expect(app.port.sent).toEqual([{ type: 'unlock-vault', passphrase: 'wrong' }]);
  const failure = { kind: 'auth', message: 'the passphrase is wrong' } as const;
  app.port.emit({ type: 'secret-store', store: { ...store, status: 'locked', failure } });
  await app.shows('! the passphrase is wrong');
  app.port.dispatch = async (command) => {
    app.port.sent.push(command);
    if (command.type === 'unlock-vault') app.port.emit({ type: 'secret-store', store });
  };
  await app.press('right', keys.enter);
  await app.shows('Continue without credentials');
  expect(app.port.sent.at(-1)).toMatchObject({
    type: 'save-profile',
    id: 'p1',
    secrets: { password: 'new' },
  });
});

it('says what to press, and puts the cursor on what was added', async () => {
  const app = drawApp({ ...states.credentials!, profiles: profiles.slice(0, 1) });
  await app.shows('Enter goes on: This computer');
  app.port.dispatch = async () => app.port.emit({ type: 'profiles', profiles });
  await app.press('a', keys.home, keys.enter);
  await app.shows('Add: This computer');
  await app.press('new', keys.enter);
  await app.shows(`❯ ${profiles[1]!.name}`);
  await app.shows('Enter uses it');
});

it('deletes only after a yes', async () => {
  const app = drawApp(states.credentials!);
  await app.press('d');
  await app.shows('Not now: choose a profile');
  await app.press(keys.down, 'd');
  await app.shows('Delete "lab vCenter" and its secrets?');
  await app.press('n', 'd', 'y');
  expect(app.port.sent).toEqual([{ type: 'delete-profile', id: 'p1' }]);
  await app.shows('2 rows');
});

it('chooses where secrets are kept', async () => {
  const app = drawApp(states.credentials!);
  await app.press('s', 'm');
  await app.shows('memory only');
  await app.press(keys.enter);
  expect(app.port.sent).toEqual([{ type: 'choose-secret-store', choice: 'memory' }]);
});

it('shows how a test went', async () => {
  const app = drawApp(states.credentials!);
  app.port.emit({ type: 'profile-test', profile: 'p1', status: 'failed', text: 'the password was refused' });
  const frame = await app.shows('test failed: the password was refused');
  expect(frame).toMatch(/lab vCenter.*FAILED/);
  // Whole, with what to do.
  const text = `the password was refused (a host with a long name); ${'what to do '.repeat(12)}and that is all`;
  app.port.emit({ type: 'profile-test', profile: 'p1', status: 'failed', text });
  await app.shows('and that is all');
});

it('shows that a form has more fields than lines', async () => {
  const app = drawApp(states.credentials!, { columns: 80, rows: 12 });
  await app.press(keys.down, 'e');
  const frame = await app.shows('Edit: lab vCenter');
  expect(frame).toMatch(/│ ❯ Name/);
  expect(frame).toMatch(/│ ▼ /);
  await app.press(keys.tab, keys.tab, keys.tab, keys.tab);
  await app.shows(/│ ▲ /);
});
