/** The Configuration screen's fields, by their labels. */
import type { Terminal } from './tmux.ts';

/** Through the field's choices to this one. */
export async function turn(terminal: Terminal, label: string, value: string): Promise<void> {
  await goTo(terminal, label);
  const there = new RegExp(`❯ +${label} +< ${value}`);
  for (let steps = 0; !there.test(await terminal.screen()); steps++) {
    if (steps > 20) throw new Error(`no "${value}":\n${await terminal.screen()}`);
    await press(terminal, 'Right');
  }
}

/** Until it is seen that the row has changed: a busy computer draws late. */
async function press(terminal: Terminal, key: string): Promise<void> {
  const row = async () => /❯ .*/.exec(await terminal.screen())?.[0];
  const before = await row();
  await terminal.send(key);
  for (let i = 0; i < 40 && (await row()) === before; i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
}

/** To the field of this label: up from the end where it is seen near it, else down from the top. */
async function goTo(terminal: Terminal, label: string): Promise<void> {
  const there = new RegExp(`❯ +${label}\\b`);
  await terminal.send('End');
  const end = (await terminal.until(/❯ Start /)).split('\n');
  const [at, last] = [new RegExp(`^ +${label}\\b`), /❯ Start /].map((one) =>
    end.findIndex((row) => one.test(row)),
  );
  const key = at! > last! / 2 ? 'Up' : 'Down';
  if (key === 'Down') {
    await terminal.send('Home');
    await terminal.until(/❯ Destination /);
  }
  for (let steps = 0; steps < 60; steps++) {
    if (there.test(await terminal.screen())) return;
    await press(terminal, key);
  }
  throw new Error(`no field "${label}":\n${await terminal.screen()}`);
}

export async function choose(terminal: Terminal, label: string, value: string): Promise<void> {
  await goTo(terminal, label);
  await terminal.send('Enter');
  const rows = (await terminal.until(new RegExp(`┌─ ❯ ${label}`))).split('\n');
  const [at, to] = ['│ ❯ ', `│   ${value}`].map((text) => rows.findIndex((row) => row.startsWith(text)));
  await terminal.keyTo(to! >= 0 && to! < at! ? 'Up' : 'Down', `│ ❯ ${value}`);
  await terminal.send('Enter');
  await terminal.until(new RegExp(`❯ +${label} +${value}`));
}

export async function type(terminal: Terminal, label: string, value: string): Promise<void> {
  await goTo(terminal, label);
  await terminal.send('Enter');
  await terminal.send('C-u');
  await terminal.type(value);
  await terminal.send('Enter');
}
