/** What one does on the screens from the start to a finished conversion, for the tests of whole flows. */
import { expect } from 'vitest';
import type { Terminal } from './tmux.ts';

/** By their labels, in the order of the form. */
export type Values = Readonly<Record<string, string>>;

/** Into the form that is open, by Tab; what was in a field goes. */
export async function fill(terminal: Terminal, values: Values): Promise<void> {
  for (const [label, value] of Object.entries(values)) {
    // Of a required field there is a star; another label may begin in the same way.
    await terminal.tabTo(new RegExp(`❯ ${label}( \\*|  )`));
    await terminal.send('C-u');
    await terminal.type(value);
    // The next Tab must not be taken for one that nobody has answered yet.
    await terminal.until(inField(label, value));
  }
}

/** The cursor's row with the end of this value, or the mask of a secret. */
function inField(label: string, value: string): RegExp {
  const end = value.slice(-6).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`❯ ${label}.*(${end}_?\\s|[•*]{${Math.min(value.length, 6)}})`);
}

/** Secrets are kept alone from now on. */
export async function keepInMemory(terminal: Terminal): Promise<void> {
  await terminal.until('Continue without credentials');
  await terminal.send('s');
  await terminal.until('Where secrets are kept');
  await terminal.type('m');
  await terminal.until('❯ memory only');
  await terminal.send('Enter');
  await terminal.until('Secrets are kept in: memory');
}

/** A profile of this environment; the cursor is on it then. */
export async function addProfile(
  terminal: Terminal,
  environment: string,
  name: string,
  values: Values,
): Promise<void> {
  await terminal.send('a');
  await terminal.until('of which environment');
  await terminal.keyTo(environment[0]!.toLowerCase(), `❯ ${environment}`);
  await terminal.send('Enter');
  await terminal.until(`Add: ${environment}`);
  await fill(terminal, { Name: name, ...values });
  await terminal.send('Enter');
  await terminal.until(new RegExp(`❯ ${name} `));
}

/** From the start to the form of this environment's settings, filled and sent. */
export async function connectWith(terminal: Terminal, environment: string, values: Values): Promise<void> {
  await terminal.until('Continue without credentials');
  await terminal.send('Home', 'Enter');
  await terminal.until('This computer');
  await terminal.send('/');
  await terminal.type(environment);
  await terminal.send('Enter');
  await terminal.until(`❯ ${environment}`);
  await terminal.send('e');
  await terminal.until('Settings:');
  await fill(terminal, values);
  await terminal.send('Enter');
}

/** Its whole fingerprint is on the screen, which breaks lines. */
export async function acceptFingerprint(terminal: Terminal, fingerprint: string): Promise<void> {
  const asked = await terminal.until('[y] yes');
  expect(asked.replace(/[\s│|]/g, '')).toContain(fingerprint);
  await terminal.send('y');
}

export async function giveLine(terminal: Terminal, question: string, text: string): Promise<void> {
  await terminal.until(question);
  await terminal.type(text);
  await terminal.send('Enter');
}

/** From the Credentials screen to what lies in the current folder. */
export async function toFolder(terminal: Terminal): Promise<void> {
  await terminal.until('[1 Credentials]');
  await terminal.send('Home', 'Enter');
  await terminal.until('❯ This computer');
  await terminal.send('Enter');
}

/** From the end of a run to the machines of a profile. */
export async function toProfile(terminal: Terminal, name: string): Promise<void> {
  await terminal.send('1');
  await terminal.keyTo('Down', `❯ ${name} `);
  await terminal.send('Enter');
  await terminal.until('[2 Environment]');
  await terminal.send('Enter');
}

/** The only one of this name in the list. */
export async function pickMachine(terminal: Terminal, machine: string): Promise<void> {
  await terminal.until(`[ ] ${machine} `);
  await terminal.keyTo('Down', `❯ [ ] ${machine} `);
  await terminal.send('Enter');
  await terminal.until('[4 Configuration]');
}

/** Resolves to what is asked before. While a changed plan is being worked out the key only says so. */
export async function startRun(terminal: Terminal): Promise<string> {
  for (;;) {
    const screen = await terminal.until(/Ready to start|\[y\] start/);
    if (screen.includes('[y] start')) break;
    await terminal.send('g');
  }
  const asked = await terminal.screen();
  await terminal.send('y');
  return asked;
}
