/**
 * Draws one screen with made-up state: `npm run screen image -- --columns 100 --rows 30`. On a terminal it can
 * be used, with a dispatcher that does nothing; otherwise one frame is printed.
 */
import { parseArgs } from 'node:util';
import { render } from 'ink';
import { App } from '../src/screens/app.tsx';
import { openTui } from '../src/screens/open-tui.tsx';
import { ScreenWriter, toAscii } from '../src/screens/screen-writer.ts';
import { capabilitiesOf } from '../src/screens/widgets/terminal.ts';
import { fakePort } from '../test/screens/fake-port.ts';
import { states as shellStates } from '../test/screens/states.ts';
import { runStates } from '../test/screens/states-run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    columns: { type: 'string' },
    rows: { type: 'string' },
    /** Presses these keys first, such as `?`. */
    keys: { type: 'string', default: '' },
    once: { type: 'boolean', default: false },
  },
});

const states = { ...shellStates, ...runStates };
const [name = ''] = positionals;
const state = states[name];
if (state === undefined) {
  process.stderr.write(`screen: one of ${Object.keys(states).join(', ')}\n`);
  process.exitCode = 2;
} else if (process.stdout.isTTY && process.stdin.isTTY && !values.once) {
  await openTui(fakePort(state), { stdin: process.stdin, stdout: process.stdout });
} else {
  await drawOnce();
}

/** The last whole frame after the keys were pressed. */
async function drawOnce(): Promise<void> {
  const { Readable } = await import('node:stream');
  const can = capabilitiesOf(process.env, process.stdout.isTTY);
  const columns = Number(values.columns ?? process.stdout.columns ?? 80);
  const rows = Number(values.rows ?? process.stdout.rows ?? 24);
  const stdin = Object.assign(new Readable({ read: () => undefined }), {
    isTTY: true,
    setRawMode: () => stdin,
    ref: () => stdin,
    unref: () => stdin,
  });
  let frame = '';
  const quiet = { columns, rows, write: () => true, on: () => undefined, off: () => undefined };
  const writer = Object.assign(new ScreenWriter(quiet, can), {
    write: (text: string) => {
      if (text !== '') frame = text;
      return true;
    },
  });
  const instance = render(<App port={fakePort(state!)} capabilities={can} size={{ columns, rows }} />, {
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: writer as unknown as NodeJS.WriteStream,
    debug: true,
    patchConsole: false,
    exitOnCtrlC: false,
  });
  for (const key of values.keys) {
    stdin.push(key);
    await new Promise((done) => setTimeout(done, 30));
  }
  await new Promise((done) => setTimeout(done, 50));
  instance.unmount();
  process.stdout.write(`${can.unicode ? frame : toAscii(frame)}\n`);
}
