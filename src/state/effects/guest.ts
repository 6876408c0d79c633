/** What an operator wants in a guest that is read from files here. */
import { readPublicKeys } from '../../convert/public-keys.ts';
import type { Effect } from '../dispatcher.ts';

export const addSshKeys: Effect<'add-ssh-keys'> = async ({ id, user, file }, { getState, perform }) => {
  const keys = await readPublicKeys(file);
  const guest = getState().draft.edits[id]?.guest ?? {};
  const others = (guest.add?.sshKeys ?? []).filter((entry) => entry.user !== user);
  const before = guest.add?.sshKeys?.find((entry) => entry.user === user)?.keys ?? [];
  const sshKeys = [...others, { user, keys: [...new Set([...before, ...keys])] }];
  await perform({
    type: 'edit-machine',
    id,
    change: { guest: { ...guest, add: { ...guest.add, sshKeys } } },
  });
};
