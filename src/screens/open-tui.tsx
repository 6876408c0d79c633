import { constants } from 'node:os';
import { type Instance, render } from 'ink';
import { AppError } from '../model/errors.ts';
import type { DispatcherPort } from '../state/port.ts';
import { App } from './app.tsx';
import { ScreenWriter } from './screen-writer.ts';
import { TerminalSession, type TtyInput } from './terminal-session.ts';
import { capabilitiesOf } from './widgets/terminal.ts';

export interface TuiStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}

export interface TuiOptions extends TuiStreams {
  /** Thrown where nobody awaits it, by something that is not the program's own: no reason to end. */
  contained?(error: unknown): boolean;
}

// A lost SSH session or a kill must not wait for a destination that no longer answers.
const endPatienceMs = 5000;
const endSignals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/**
 * Draws the screens until the user ends or the process is told to. The terminal is given back on every way
 * out; what ran is cancelled by the dispatcher's `terminate`. After a signal `process.exitCode` is set.
 * @throws AppError `usage` without a terminal; whatever a screen threw.
 */
export async function openTui(port: DispatcherPort, { stdin, stdout, contained }: TuiOptions): Promise<void> {
  if (stdin.isTTY !== true || stdout.isTTY !== true) {
    const which = stdin.isTTY === true ? 'output' : 'input';
    throw new AppError('usage', `the screens need a terminal, and the standard ${which} is none`, {
      hint: 'use the commands instead, such as "vmferry convert"; "vmferry --help" lists them',
    });
  }
  const capabilities = capabilitiesOf(process.env, true);
  const session = new TerminalSession(stdin as TtyInput, stdout, capabilities);
  const write = session.output();
  const writer = new ScreenWriter(outputOf(stdout, write), capabilities);
  let instance: Instance | undefined;

  const restore = () => {
    writer.pause();
    session.leave();
  };
  const suspend = () => {
    restore();
    // The whole process group, as the terminal would: npm or npx above must stop as well. The call returns
    // when the shell lets it go on, and at once where there is no job control.
    process.kill(0, 'SIGTSTP');
    setImmediate(resume);
  };
  const resume = () => {
    session.enter();
    stdin.setRawMode(true);
    writer.redraw();
  };
  const guard = guardProcess(
    port,
    (error) => contained?.(error) === true,
    () => instance?.unmount(),
    restore,
    () => session.printStray(),
  );
  process.on('SIGCONT', resume);
  stdout.on('error', ignoreLostTerminal);
  // A terminal that hangs up need not send SIGHUP, to a process started by nohup for instance.
  const lost = () => {
    ignoreLostTerminal();
    void guard.end();
  };
  stdin.on('end', lost).on('error', lost);
  session.enter();
  session.catchStray();
  try {
    instance = render(
      <App port={port} capabilities={capabilities} onEnd={() => instance?.unmount()} onSuspend={suspend} />,
      {
        stdin,
        stdout: writer as unknown as NodeJS.WriteStream,
        exitOnCtrlC: false,
        patchConsole: false,
        // Whole frames; the writer sends what changed.
        debug: true,
      },
    );
    await instance.waitUntilExit();
  } catch (error) {
    restore();
    await guard.end();
    throw error;
  } finally {
    process.off('SIGCONT', resume);
    stdin.off('end', lost).off('error', lost);
    writer.close();
    session.leave();
    session.printStray();
    guard.release();
    setImmediate(() => stdout.off('error', ignoreLostTerminal));
  }
  if (guard.thrown !== undefined) throw guard.thrown;
}

/** After SIGHUP every write to the terminal fails; the conversion's end must not depend on it. */
function ignoreLostTerminal(): void {
  process.exitCode ??= 128 + constants.signals.SIGHUP;
}

function outputOf(stdout: NodeJS.WriteStream, write: NodeJS.WriteStream['write']) {
  return {
    get columns() {
      return stdout.columns;
    },
    get rows() {
      return stdout.rows;
    },
    write: (text: string) => write(text),
    on: (event: 'resize' | 'drain', listener: () => void) => stdout.on(event, listener),
    off: (event: 'resize' | 'drain', listener: () => void) => stdout.off(event, listener),
  };
}

interface Guard {
  /** An error that nobody caught. */
  thrown?: unknown;
  /** Ends the dispatcher, and does not wait for ever. */
  end(): Promise<void>;
  release(): void;
}

/** Every other way out of the process leads through here. */
function guardProcess(
  port: DispatcherPort,
  contained: (error: unknown) => boolean,
  unmount: () => void,
  restore: () => void,
  printStray: () => void,
): Guard {
  const end = (): Promise<void> => {
    const patience = new Promise<void>((done) => setTimeout(done, endPatienceMs).unref());
    return Promise.race([port.dispatch({ type: 'terminate' }), patience])
      .catch(() => undefined)
      .then(unmount);
  };
  const onSignal = (signal: NodeJS.Signals) => {
    process.exitCode = 128 + constants.signals[signal];
    void end();
  };
  const onThrown = (error: unknown) => {
    if (guard.thrown !== undefined || contained(error)) return;
    guard.thrown = error;
    process.exitCode = 1;
    restore();
    void end();
  };
  const onExit = () => {
    restore();
    printStray();
  };
  const guard: Guard = {
    end,
    release() {
      for (const signal of endSignals) process.off(signal, onSignal);
      process.off('uncaughtException', onThrown);
      process.off('unhandledRejection', onThrown);
      process.off('exit', onExit);
    },
  };
  for (const signal of endSignals) process.on(signal, onSignal);
  process.on('uncaughtException', onThrown);
  process.on('unhandledRejection', onThrown);
  process.on('exit', onExit);
  return guard;
}
