import { describe, expect, test } from 'vitest';
import type { GuestChange } from '../../../src/model/guest-change.ts';
import { madeChanges, withoutFor } from '../../../src/screens/configuration/changes-view.ts';
import {
  configFields,
  confirmText,
  planLines,
} from '../../../src/screens/configuration/configuration-view.ts';
import type { MachineEdit, State } from '../../../src/state/state.ts';
import { drawApp, keys } from '../draw.tsx';
import { machines } from '../states.ts';
import { configState } from '../states-run.ts';

const id = machines[0]!.id;

const fstab: GuestChange = {
  id: 'names.fstab',
  title: 'Filesystems are mounted by UUID',
  reason: 'names such as /dev/sda1 follow the bus of the disk',
  need: 'needed',
  files: [
    {
      path: '/etc/fstab',
      kind: 'changed',
      bytes: 40,
      diff: '--- a/etc/fstab\n+++ b/etc/fstab\n@@ -1,1 +1,1 @@\n-/dev/sda1\t/\n+UUID=1\t/\n',
    },
  ],
};
const password: GuestChange = {
  id: 'password.root',
  title: 'root has a new password',
  reason: 'as it was asked for',
  need: 'asked',
  files: [{ path: '/etc/shadow', kind: 'changed', secret: true }],
};
const tools = { ...fstab, id: 'tools.vmware', title: 'open-vm-tools is off', need: 'advised' } as const;

const changing: State = {
  ...configState,
  planned: {
    ...configState.planned,
    guests: { [id]: { changes: [password, fstab, tools], leftOut: [] } },
  },
};
const edited = (edit: MachineEdit, state = changing): State => ({
  ...state,
  draft: { ...state.draft, edits: { [id]: edit } },
});
const field = (key: string, state = changing) =>
  configFields(state, id, true).find((f) => f.key === `guest:${key}`)!;
const guest = (change: MachineEdit['guest']) => ({
  command: { type: 'edit-machine', id, change: { guest: change } },
});

describe.each([
  [80, 24],
  [40, 12],
])('%i x %i', (columns, rows) => {
  test('c lists the changes; space leaves one out; Enter shows its diff', async () => {
    const { shows, press, port } = drawApp(changing, { columns, rows });
    await shows(/Ready to start|Destination/);
    await press('c');
    const frame = await shows('[✓] Filesystems');
    expect(frame.indexOf('Filesystems')).toBeLessThan(frame.indexOf('open-vm-tools'));
    await shows('names such as /dev/sda1');
    await press(' ');
    await shows('[ ] Filesystems');
    expect(port.getState().draft.edits).toEqual({ [id]: { guest: { without: ['names.fstab'] } } });
    await press(' ');
    await shows('[✓] Filesystems');
    expect(port.getState().draft.edits).toEqual({ [id]: {} });
    await press(keys.enter);
    await shows('needed: names such as');
    for (let i = 0; i < 6; i++) await press(keys.down);
    await shows('+UUID=1    /');
    await press(keys.esc);
    await shows('[✓] Filesystems');
    await press(keys.esc);
    await shows('Made for');
  });
});

test('what holds a secret shows nothing of it', async () => {
  const { shows, press } = drawApp(changing);
  await shows('Ready to start');
  await press('c', keys.end, keys.enter);
  expect(await shows('not shown: it is secret')).toContain('/etc/shadow: changed');
});

test('there is nothing to list where nothing is changed', async () => {
  const { shows, press } = drawApp(configState);
  await shows('Ready to start');
  await press('c');
  await shows('Not now: nothing is changed inside the guest');
});

test('a family that is left out is taken apart when one of it is wanted', () => {
  const list = [fstab, { ...fstab, id: 'names.grub' }, tools];
  expect([...madeChanges(list, ['names'])]).toEqual(['tools.vmware']);
  expect(withoutFor(list, ['tools.vmware', 'names.grub'], ['names', 'network'])).toEqual([
    'network',
    'names.fstab',
  ]);
  expect(withoutFor(list, ['names.fstab', 'names.grub', 'tools.vmware'], ['names'])).toBeUndefined();
});

test('the plan and the question before the start say what is changed', () => {
  expect(planLines(changing)).toContainEqual(
    expect.objectContaining({ text: 'Filesystems are mounted by UUID (needed, names.fstab)' }),
  );
  expect(confirmText(changing)).toContain('3 changes are made inside the guest');
});

describe('fields', () => {
  test('the additions are folded away until they are wanted', async () => {
    const folded = configFields(changing, id).map(({ key }) => key);
    expect(folded.filter((key) => key.startsWith('guest:'))).toEqual(['guest:changes', 'guest:additions']);
    const { shows, press } = drawApp(changing);
    await shows('Ready to start');
    await press(keys.end, ...Array(5).fill(keys.up));
    await shows('❯ Additions');
    await press(keys.enter);
    await shows('Hostname');
    await press(keys.enter);
    await shows('none; press Enter to see them');
  });

  test('each makes a command, or says what is wrong', () => {
    expect(field('changes')).toMatchObject({ value: 'none', shown: 'nothing: 3 changes' });
    expect(field('changes').apply('needed')).toEqual(guest({ changes: 'needed' }));
    expect(field('hostname').apply('web-2')).toEqual(guest({ add: { hostname: 'web-2' } }));
    expect(field('hostname').apply('-x')).toHaveProperty('error');
    expect(field('passwordsOf').apply('root, ann')).toEqual(guest({ add: { passwordsOf: ['root', 'ann'] } }));
    expect(field('passwordsOf').apply('a:b')).toHaveProperty('error');
    expect(field('copies').apply('/srv/motd:/etc/motd')).toEqual(
      guest({ add: { copies: [{ from: '/srv/motd', to: '/etc/motd' }] } }),
    );
    expect(field('copies').apply('/srv/motd')).toHaveProperty('error');
    expect(field('cloudInit').apply('no')).toEqual(guest({ add: { cloudInit: false } }));
    expect(field('sshKeys').apply('root:/k.pub')).toEqual({
      command: { type: 'add-ssh-keys', id, user: 'root', file: '/k.pub' },
    });
    expect(field('engine').apply('libguestfs')).toEqual(guest({ engine: 'libguestfs' }));
  });

  test('what is taken back leaves nothing behind, and the rest as it was', () => {
    const state = edited({ guest: { changes: 'none', add: { hostname: 'a', agent: true } } });
    expect(field('hostname', state).apply('')).toEqual(guest({ changes: 'none', add: { agent: true } }));
    const alone = edited({ guest: { add: { hostname: 'a' } } });
    expect(field('hostname', alone).apply('')).toEqual(guest(undefined));
  });

  test('the bus and the card are of all disks and adapters', () => {
    const of = (key: string, state = changing) => configFields(state, id).find((f) => f.key === key)!;
    expect(of('bus')).toMatchObject({ value: '', shown: 'as it is: virtio' });
    expect(of('bus').apply('sata')).toEqual({
      command: { type: 'edit-machine', id, change: { diskBus: 'sata' } },
    });
    expect(of('nic:0:model', edited({ nicModel: 'e1000' })).reason).toBe('Network card says it for all');
  });
});
