/** Draws the app or a part of it into memory, and waits for what a frame says. */

import { useInput } from 'ink';
import { render } from 'ink-testing-library';
import { type ReactElement, useState } from 'react';
import { onTestFinished } from 'vitest';
import { App } from '../../src/screens/app.tsx';
import { Keyboard } from '../../src/screens/keyboard.ts';
import { KeyboardContext } from '../../src/screens/screen.ts';
import { KeysFoot } from '../../src/screens/widgets/keys-foot.tsx';
import { type Capabilities, TerminalContext, terminalOf } from '../../src/screens/widgets/terminal.ts';
import type { State } from '../../src/state/state.ts';
import { fakePort } from './fake-port.ts';

export const plain: Capabilities = { colour: false, unicode: false, dumb: false };
export const unicode: Capabilities = { colour: false, unicode: true, dumb: false };

export interface Drawn {
  frame(): string;
  /** Presses keys, one event each: `'a'`, `'\r'`, `'\x1b'`. */
  press(...keys: string[]): Promise<void>;
  /** Resolves to the first frame that holds the text; fails with the last frame after two seconds. */
  shows(text: string | RegExp): Promise<string>;
}

export const keys = {
  enter: '\r',
  esc: '\x1b',
  tab: '\t',
  up: '\x1b[A',
  down: '\x1b[B',
  left: '\x1b[D',
  right: '\x1b[C',
  pageUp: '\x1b[5~',
  pageDown: '\x1b[6~',
  home: '\x1b[H',
  end: '\x1b[F',
  backspace: '\x7f',
  ctrlC: '\x03',
} as const;

export function draw(element: ReactElement): Drawn {
  const instance = render(element);
  onTestFinished(() => instance.unmount());
  const frame = () => instance.lastFrame() ?? '';
  const shows = async (text: string | RegExp) => {
    const deadline = Date.now() + 2000;
    for (;;) {
      const now = frame();
      if (typeof text === 'string' ? now.includes(text) : text.test(now)) return now;
      if (Date.now() > deadline) throw new Error(`no frame shows ${String(text)}; the last one:\n${now}`);
      await turn();
    }
  };
  return {
    frame,
    shows,
    async press(...typed) {
      for (const key of typed) {
        instance.stdin.write(key);
        // Esc is told from an escape sequence in the next turn; each key is handled in a turn of its own.
        for (let i = 0; i < 8; i++) await turn();
      }
    },
  };
}

const turn = () => new Promise((done) => setTimeout(done, 1));

/** The whole app with a made-up state. */
export function drawApp(state: State, options: { columns?: number; rows?: number; can?: Capabilities } = {}) {
  const { columns = 80, rows = 24, can = unicode } = options;
  const port = fakePort(state);
  const ended = { value: false };
  const drawn = draw(
    <App
      port={port}
      capabilities={can}
      size={{ columns, rows }}
      onEnd={() => Object.assign(ended, { value: true })}
    />,
  );
  return { ...drawn, port, ended };
}

/** A part of a screen with a keyboard of its own and the keys at the foot. */
export function drawPart(part: ReactElement, options: { columns?: number; can?: Capabilities } = {}): Drawn {
  return draw(<Part {...options}>{part}</Part>);
}

function Part(props: { columns?: number; can?: Capabilities; children?: ReactElement }) {
  const { columns = 80, can = unicode, children } = props;
  const [keyboard] = useState(() => new Keyboard());
  useInput((input, key) => keyboard.feed(input, key));
  return (
    <TerminalContext.Provider value={terminalOf(can, columns, 24)}>
      <KeyboardContext.Provider value={keyboard}>
        {children}
        <KeysFoot width={columns} />
      </KeyboardContext.Provider>
    </TerminalContext.Provider>
  );
}
