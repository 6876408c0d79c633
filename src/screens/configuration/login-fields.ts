/** Who may log in to the guest: keys and passwords. Pure. */
import { parseKeyFile } from '../../model/guest-additions.ts';
import { type ConfigField, tryApply } from './field.ts';
import { editAdditions, textsOf } from './guest-fields.ts';
import type { MachineContext } from './machine-fields.ts';

const group = 'Inside the guest';

export function keysField(context: MachineContext): ConfigField {
  const entries = context.edit.guest?.add?.sshKeys ?? [];
  const shown = entries.map(({ user, keys }) => `${user}: ${keys.length}`).join(', ');
  return {
    group,
    kind: 'text',
    key: 'guest:sshKeys',
    label: '  SSH keys',
    help: 'USER:FILE adds the public keys of a file, such as root:~/.ssh/id_ed25519.pub; empty removes all',
    text: '',
    shown: shown === '' ? 'none' : `${shown} (USER:FILE adds more)`,
    changed: entries.length > 0,
    apply: (text) =>
      text.trim() === ''
        ? { command: editAdditions(context, { sshKeys: undefined }) }
        : tryApply(() => ({ type: 'add-ssh-keys', id: context.id, ...parseKeyFile(text.trim()) })),
  };
}

export function usersField(context: MachineContext): ConfigField {
  const users = context.edit.guest?.add?.passwordsOf ?? [];
  return {
    group,
    kind: 'text',
    key: 'guest:passwordsOf',
    label: '  Passwords of',
    help: 'users who get a new password: it is asked for when the run starts, and kept nowhere',
    text: users.join(', '),
    shown: users.length === 0 ? 'nobody' : users.join(', '),
    changed: users.length > 0,
    apply(text) {
      const names = [...new Set(textsOf(text))];
      if (names.some((name) => !/^[a-z_][a-z0-9_.-]*\$?$/i.test(name)))
        return { error: 'names of users, with ", " between' };
      return { command: editAdditions(context, { passwordsOf: names.length === 0 ? undefined : names }) };
    },
  };
}
