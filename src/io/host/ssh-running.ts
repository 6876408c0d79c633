/** A command at the far end whose streams are used while it runs. */
import type { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { AppError } from '../../model/errors.ts';
import { exitOf, type SshConnection } from '../ssh/connection.ts';
import { printable } from '../ssh/failures.ts';
import { widenWindow } from '../ssh/wide-window.ts';
import { lastBytes } from './command-output.ts';
import type { Running } from './host.ts';

export interface StartOptions {
  /** For messages. */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
  /** Its output is always read at once: the server may send far more than usual before it is told so. */
  readonly wide?: boolean;
}

/**
 * Starts `args` at the far end. That there is no such command is told by `ended`: `not-found`.
 * @throws AppError `unsupported`, `unreachable`, `cancelled`.
 */
export async function startOverSsh(
  connection: SshConnection,
  args: readonly string[],
  { name = args[0]!, signal, wide = false }: StartOptions = {},
): Promise<Running> {
  const channel = await connection.channel(args, signal);
  if (wide) widenWindow(channel);
  const stderr = lastBytes(channel.stderr as Readable);
  channel.on('error', () => undefined); // its end tells
  let killed: AppError | undefined;
  let refuse: (error: AppError) => void = () => undefined;
  const ended = connection.request<{ code: number; stderr: string }>((resolve, reject) => {
    refuse = reject;
    whenEnded(channel, () => {
      if (killed !== undefined) return reject(killed);
      const { status: code, by } = exitOf(channel) ?? { status: null, by: undefined };
      if (code !== null && code !== 127) resolve({ code, stderr: stderr() });
      else reject(failure(name, connection.name, code, by));
    });
  }, signal);
  const kill = () => {
    killed ??= new AppError('io', `"${name}" was ended`, { where: connection.name });
    endChannel(channel);
    // Its goodbye may wait behind data that nobody reads.
    refuse(killed);
  };
  // A lost connection and a cancel too: the streams end with it.
  ended.catch(() => endChannel(channel));
  return { stdin: channel as Writable, stdout: channel as Readable, ended, kill };
}

/**
 * The channel's own `close` waits for a reader of its output, who may come late or never: the error output, which is
 * always read, ends with the other one.
 */
function whenEnded(channel: ClientChannel, act: () => void): void {
  let quiet = false;
  const look = () => {
    if (quiet && exitOf(channel) !== undefined) act();
  };
  channel.stderr.once('end', () => {
    quiet = true;
    look();
  });
  channel.once('exit', look);
  // A lost connection closes its channels first, and is to be told as what it is.
  channel.once('close', () => setImmediate(act));
}

function endChannel(channel: ClientChannel): void {
  try {
    channel.signal('TERM'); // OpenSSH 7.9 and later; others end it by its closed streams
  } catch {
    // The channel is closed already.
  }
  channel.close();
  channel.resume();
}

function failure(name: string, where: string, code: number | null, killedBy: string | undefined): AppError {
  // What env(1) and the shell say of a command that isn't there.
  if (code === 127) return noSuchCommand(name, where);
  const how = killedBy === undefined ? 'ended without telling how' : `was ended by ${printable(killedBy)}`;
  return new AppError('io', `"${printable(name)}" ${how}`, { where });
}

export function noSuchCommand(name: string, where: string): AppError {
  return new AppError('not-found', `there is no command "${printable(name)}"`, {
    where,
    hint: `install what brings "${printable(name)}" there`,
  });
}
