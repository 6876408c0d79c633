/** What environments ask for while they connect: one question at a time, and no answer is kept. */
import { describe, expect, it, vi } from 'vitest';
import { between } from './between.ts';
import { type Memory, memory, memoryMachine } from './memory-plugin.ts';

const code = { text: 'Verification code: ', hidden: true };
const asking = (change: Partial<Memory> = {}): Memory => ({
  ...memory([memoryMachine()]),
  asksLine: code,
  ...change,
});

async function asked(from: Memory, to: Memory) {
  const all = await between(from, to, {}, true);
  const question = async (from: string) => {
    await vi.waitFor(() => expect(all.state().question?.from).toBe(from));
    return all.state().question!;
  };
  const answer = (id: number, text: string) =>
    all.dispatcher.perform({ type: 'answer', id, yes: true, text });
  return { ...all, question, answer };
}

describe('a line', () => {
  it('is asked for, handed on, and in no event, no state, no journal and no error', async () => {
    const from = asking();
    const { choose, question, answer, events, state, services } = await asked(from, memory());
    const choosing = choose();
    const { id, text, entry } = await question('Memory a, here');
    expect({ text, entry }).toEqual({ text: 'Verification code: ', entry: 'hidden' });
    await answer(id, 'seven-eight-nine');
    await choosing;
    expect(from.secrets).toEqual(['seven-eight-nine']);
    expect(state().question).toBeUndefined();
    expect(JSON.stringify([events, state()])).not.toContain('seven-eight');
    expect(services.redactor.redact('it was seven-eight-nine')).not.toContain('seven');
  });

  it('that is refused fails the connection, and says what was asked', async () => {
    const { choose, question, dispatcher, state } = await asked(asking(), memory());
    const choosing = choose().catch((error) => error);
    const { id } = await question('Memory a, here');
    await dispatcher.perform({ type: 'answer', id, yes: false });
    expect(await choosing).toMatchObject({
      kind: 'auth',
      message: 'no answer was given to "Verification code:"',
    });
    expect(state().connection.status).toBe('failed');
  });

  it('may be empty', async () => {
    const from = asking();
    const { choose, question, answer } = await asked(from, memory());
    const choosing = choose();
    await answer((await question('Memory a, here')).id, '');
    await choosing;
    expect(from.secrets).toEqual(['']);
  });

  it('can not be asked for where nobody is', async () => {
    const { choose } = await between(asking(), memory());
    await expect(choose()).rejects.toMatchObject({ message: 'nobody can be asked' });
  });

  it('is asked for again when a run connects, with the host key of the destination before it', async () => {
    const from = { ...asking(), machines: [memoryMachine()] };
    const to = { ...memory(), asks: 'known host?' };
    const { choose, deliver, run, question, answer, dispatcher, state, log } = await asked(from, to);
    const choosing = choose();
    await answer((await question('Memory a, here')).id, 'first-code');
    await choosing;
    const delivering = deliver();
    await dispatcher.perform({ type: 'answer', id: (await question('Memory b, there')).id, yes: true });
    await delivering;
    const running = run();
    await answer((await question('Memory a, here')).id, 'second-code');
    const known = await question('Memory b, there');
    expect(known.entry).toBeUndefined();
    await dispatcher.perform({ type: 'answer', id: known.id, yes: true });
    await running;
    expect(state().run?.status).toBe('done');
    expect(from.secrets).toEqual(['first-code', 'second-code']);
    expect(log().join()).not.toContain('second');
  });

  it('that is refused fails the run, and leaves nothing', async () => {
    const from = asking();
    const { choose, deliver, run, question, answer, dispatcher, state } = await asked(from, memory());
    const choosing = choose();
    await answer((await question('Memory a, here')).id, 'code');
    await choosing;
    await deliver();
    const running = run().catch((error) => error);
    await dispatcher.perform({ type: 'answer', id: (await question('Memory a, here')).id, yes: false });
    expect(await running).toMatchObject({ kind: 'auth' });
    expect(state().run?.items[0]?.status).toBe('failed');
  });
});

describe('two at once', () => {
  it('are asked one after the other, in their order', async () => {
    const [from, to] = [asking(), { ...asking(), asksLine: { text: 'Name:', hidden: false } }];
    const { dispatcher, question, answer, events } = await asked(from, to);
    const settings = (host: string) => ({ settings: { host } });
    const both = [
      dispatcher.perform({ type: 'connect', environment: 'a', ...settings('here') }),
      dispatcher.perform({ type: 'connect-destination', environment: 'b', ...settings('there') }),
    ];
    const first = await question('Memory a, here');
    await answer(first.id, 'code-of-a');
    const second = await question('Memory b, there');
    expect(second.entry).toBe('shown');
    // An answer that comes twice is for nobody.
    await answer(first.id, 'code-of-a');
    await answer(second.id, 'name-of-b');
    await Promise.all(both);
    expect([from.secrets, to.secrets]).toEqual([['code-of-a'], ['name-of-b']]);
    expect(events.filter((e) => e.type === 'question')).toHaveLength(3);
  });

  it('lose the one whose command is given up, wherever it stands', async () => {
    const [from, to] = [asking(), asking()];
    const { dispatcher, question, answer, state } = await asked(from, to);
    const connecting = dispatcher.dispatch({ type: 'connect', environment: 'a', settings: { host: 'x' } });
    await question('Memory a, x');
    const delivering = dispatcher.perform({
      type: 'connect-destination',
      environment: 'b',
      settings: { host: 'y' },
    });
    await dispatcher.perform({ type: 'cancel-connect' });
    await connecting;
    await answer((await question('Memory b, y')).id, 'code');
    await delivering;
    expect(state().question).toBeUndefined();
    expect(state().connection.status).toBe('none');
    expect([from.secrets, to.secrets]).toEqual([[], ['code']]);
  });

  it('are all refused at the end of the program', async () => {
    const { dispatcher, question, state } = await asked(asking(), asking());
    const connecting = dispatcher
      .perform({ type: 'connect', environment: 'a', settings: { host: 'x' } })
      .catch((error) => error);
    await question('Memory a, x');
    await dispatcher.perform({ type: 'terminate' });
    expect(await connecting).toMatchObject({ kind: 'cancelled' });
    expect(state().question).toBeUndefined();
  });
});
