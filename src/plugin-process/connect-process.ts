/** A plugin in a process of its own: the command is started for each session, and ended with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { EnvironmentPlugin, PluginContext, Session, Settings } from '../env-plugins/plugin.ts';
import type { PluginDescription } from '../env-plugins/shapes.ts';
import { lastBytes } from '../io/host/command-output.ts';
import { AppError } from '../model/errors.ts';
import { Channel } from './channel.ts';
import { type Asked, answerTo, greet, nobody, openSession } from './host.ts';

export interface ProcessOptions {
  /** How long the first message may take; logging in somewhere is part of it. Milliseconds. */
  readonly patience?: number;
  /** How long it may be silent while something is asked of it, and how long it may take to end. */
  readonly silence?: number;
  readonly ending?: number;
}

const usual: Required<ProcessOptions> = { patience: 30_000, silence: 60_000, ending: 3000 };

/** Starts the command, asks what plugin it is, and ends it. @throws AppError */
export async function describeProcess(
  command: readonly string[],
  options: ProcessOptions = {},
): Promise<PluginDescription> {
  const running = await start(command, options, nobody);
  await running.close();
  return running.description;
}

/** The plugin that such a process is, under an id of its own here. Nothing is started before `connect`. */
export function processPlugin(
  command: readonly string[],
  described: PluginDescription,
  options: ProcessOptions = {},
): EnvironmentPlugin {
  return {
    ...described,
    async connect(settings, context) {
      const running = await start(command, options, context);
      try {
        return await running.connect(settings, context);
      } catch (error) {
        await running.close();
        throw error;
      }
    },
  };
}

/** Both of them: for a command whose description is not known yet. @throws AppError */
export async function connectProcess(
  command: readonly string[],
  options: ProcessOptions = {},
): Promise<EnvironmentPlugin> {
  return processPlugin(command, await describeProcess(command, options), options);
}

interface Running {
  readonly description: PluginDescription;
  connect(settings: Settings, context: PluginContext): Promise<Session>;
  close(): Promise<void>;
}

async function start(command: readonly string[], options: ProcessOptions, context: Asked): Promise<Running> {
  const { patience, silence, ending } = { ...usual, ...options };
  const who = `the process "${command.join(' ')}"`;
  if (!command[0]) throw new AppError('usage', 'the command of the process is missing');
  if (context.signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: context.signal.reason });
  const child = spawn(command[0], command.slice(1), {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own: Ctrl+C is ours to pass on, in order; and nothing in it can ask on our terminal.
    detached: true,
  });
  const said = lastBytes(child.stderr);
  const gone = exitOf(child);
  const channel = new Channel({
    input: child.stdout,
    output: child.stdin,
    side: 'host',
    other: who,
    handler: answerTo(context),
    explain: (error) => withLastWords(error, said()),
    // Its exit code and its last words are about to come; where they don't, what is known must do.
    lost: (error) => void within(gone, 1000).then(() => channel.fail(error)),
  });
  void gone.then((how) =>
    channel.fail(
      new AppError('unreachable', `${who} ${how}`, {
        hint: 'try the command by hand: it should wait for its input in silence',
      }),
    ),
  );
  const atExit = () => killGroup(child, 'SIGTERM');
  process.once('exit', atExit);
  void gone.then(() => process.off('exit', atExit));
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= end(child, channel, gone, ending);
    return closing;
  };
  void channel.ended.then(close); // also where nobody closes the session
  void channel.ended.then(watchSilence(channel, silence, who));
  const cancel = () => channel.fail(new AppError('cancelled', 'cancelled'));
  context.signal?.addEventListener('abort', cancel, { once: true });
  const late = setTimeout(
    () => channel.fail(new AppError('unreachable', `${who} says nothing for ${patience / 1000} seconds`)),
    patience,
  );
  try {
    const description = await greet(channel, who);
    return {
      description,
      close,
      connect: (settings, { signal }) => openSession(channel, settings, { who, signal, close }),
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    clearTimeout(late);
    context.signal?.removeEventListener('abort', cancel);
  }
}

/** While something is asked of it, it must say something now and then: a ping is answered by whoever lives. */
function watchSilence(channel: Channel, silence: number, who: string): () => void {
  let pingedAt: number | undefined;
  const timer = setInterval(() => {
    const now = performance.now();
    if (!channel.busy || now - channel.heardAt < silence / 2) pingedAt = undefined;
    else if (pingedAt === undefined) {
      pingedAt = now;
      channel.ping();
    } else if (now - pingedAt >= silence / 2) {
      const seconds = Math.round((now - channel.heardAt) / 1000);
      channel.fail(new AppError('unreachable', `${who} has not answered for ${seconds} seconds`));
    }
  }, silence / 4);
  timer.unref();
  return () => clearInterval(timer);
}

/** How it ended, in words. */
function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === 'ENOENT'
          ? 'does not exist: there is no such command'
          : `can't be started: ${error.code}`,
      ),
    );
    child.once('close', (code, signal) =>
      resolve(signal === null ? `has ended with exit code ${code}` : `was ended by ${signal}`),
    );
  });
}

/** Asks it to end, then makes it: nothing is left running. Never throws. */
async function end(
  child: ChildProcess,
  channel: Channel,
  gone: Promise<string>,
  ending: number,
): Promise<void> {
  await within(
    channel.call('end', {}).catch(() => undefined),
    ending,
  );
  channel.fail(new AppError('unreachable', 'the session is closed'));
  child.stdin?.end();
  let ended = await within(gone, ending);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    // Also when it has ended: what it started and left behind is in its group.
    killGroup(child, signal);
    if (ended) return;
    ended = await within(gone, ending);
  }
  // A grandchild that left the group may hold the pipes; it is not waited for.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Whether it came in time. */
function within(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), milliseconds);
    void work.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function withLastWords(error: AppError, stderr: string): AppError {
  if (error.kind === 'cancelled' || error.message.includes('it said last')) return error;
  const lines = stderr
    .replace(/[^\P{Cc}\n]/gu, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length === 0) return error;
  const words = lines.slice(-3).join(' / ').slice(-600);
  return new AppError(error.kind, `${error.message}; it said last: ${words}`, {
    ...(error.where === undefined ? {} : { where: error.where }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}
