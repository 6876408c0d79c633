import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../temp.ts';
import { between } from './between.ts';
import { memory, memoryMachine } from './memory-plugin.ts';

async function asking(answers: readonly string[], given: Record<string, string> = {}) {
  const made = await between(memory([memoryMachine()]), memory(), given, answers.length > 0);
  const { dispatcher, choose, state } = made;
  const folder = await tempFolder();
  await dispatcher.perform({ type: 'draft', change: { product: 'files', format: 'raw', folder } });
  await choose();
  const [id] = state().selected;
  const guest = { add: { passwordsOf: ['root'] } };
  await dispatcher.perform({ type: 'edit-machine', id: id!, change: { guest } });
  const asked: string[] = [];
  dispatcher.watch((event) => {
    if (event.type !== 'question' || event.question === undefined) return;
    const { text, entry, id: question } = event.question;
    asked.push(`${entry}: ${text}`);
    const answer = answers[asked.length - 1]!;
    void dispatcher.perform({ type: 'answer', id: question, yes: true, text: answer });
  });
  return { ...made, asked, id: id!, folder };
}

describe('a new password of a user in the guest', () => {
  it('is asked for twice, hidden, before anything else; it is in no event and no journal', async () => {
    const { run, asked, events, log, services } = await asking(['correct horse', 'correct horse']);
    await run();
    expect(asked).toEqual(['hidden: New password for root', 'hidden: The same once more']);
    expect(log()).toContainEqual(expect.stringMatching(/^info: done/));
    const [entry] = await services.history.list();
    const { plan, events: lines } = await services.history.get(entry!.id);
    expect(JSON.stringify([events, plan, lines])).not.toContain('correct horse');
  });

  it('ends the run when the two are not the same', async () => {
    const { run } = await asking(['correct horse', 'wrong horse']);
    await expect(run()).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringMatching(/not the same/),
    });
  });

  it('is a secret that was given, or the hint how to give it', async () => {
    const { run, asked } = await asking([], { 'password-of:root': 'correct horse' });
    await run();
    expect(asked).toEqual([]);
    const none = await asking([]);
    await expect(none.run()).rejects.toMatchObject({
      hint: expect.stringContaining('password-of:root=env:'),
    });
  });
});

it('reads public keys from their file into the edit, of each user once', async () => {
  const { dispatcher, state, id, folder } = await asking([]);
  const file = join(folder, 'id.pub');
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGa me@here';
  await writeFile(file, `${key}\n`);
  for (const user of ['root', 'ann', 'root'])
    await dispatcher.perform({ type: 'add-ssh-keys', id, user, file });
  expect(state().draft.edits[id]?.guest).toEqual({
    add: {
      passwordsOf: ['root'],
      sshKeys: [
        { user: 'ann', keys: [key] },
        { user: 'root', keys: [key] },
      ],
    },
  });
});

it('tells the changes of each machine that is to be changed, and nothing of the others', async () => {
  const { dispatcher, state, id } = await asking([]);
  expect(Object.values(state().planned.guests ?? {})).toEqual([{ changes: [], leftOut: [] }]);
  await dispatcher.perform({ type: 'edit-machine', id, change: { guest: undefined } });
  expect(state().planned.guests).toBeUndefined();
});
