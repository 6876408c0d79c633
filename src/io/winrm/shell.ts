/** One command in a shell of its own: created, given its input, listened to until it ends, and removed. */
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../../model/errors.ts';
import { escapeXml, type XmlElement } from '../xml.ts';
import { commandIdIn, readAnswer, receivedIn, shellIdIn } from './answers.ts';
import type { Conversation } from './conversation.ts';
import { faultError, operationTimedOut } from './faults.ts';
import { envelope, type ShellRequest, shellSpace } from './soap.ts';

export interface Command {
  /** The first is the program. cmd.exe reads them: none may need quotes. */
  readonly args: readonly string[];
  readonly input: string;
  /** More on its outputs ends it. */
  readonly maximumBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Ended {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** How long the server waits for output before it says that there is none yet. */
const listenSeconds = 20;
const usualSeconds = 60;
/** Beyond what the server takes by its own word. */
const graceMs = 30_000;
/** In base64 within the 150 KiB that the oldest servers take. */
const sendBytes = 64 * 1024;
/** A shell that nobody asks for any more ends itself. */
const idleSeconds = 600;

interface Context {
  readonly conversation: Conversation;
  readonly endpoint: string;
  readonly signal?: AbortSignal | undefined;
}

/** Undefined: nothing came in time, and it was asked for output. @throws AppError. */
async function ask(context: Context, request: ShellRequest, step: string): Promise<XmlElement | undefined> {
  const { conversation, endpoint, signal } = context;
  const { id, text } = envelope(request, endpoint);
  const timeoutMs = request.timeoutSeconds * 1000 + graceMs;
  const where = conversation.channel.name;
  const bytes = await conversation.exchange({ body: Buffer.from(text), step, timeoutMs, signal });
  const answer = readAnswer(bytes, id, where);
  if ('body' in answer) return answer.body;
  if (request.action === 'receive' && answer.fault.code === operationTimedOut) return undefined;
  throw faultError(answer.fault, step, where);
}

async function asked(context: Context, request: ShellRequest, step: string): Promise<XmlElement> {
  const body = await ask(context, request, step);
  if (body === undefined) throw new AppError('bug', `${step}: no answer`);
  return body;
}

/** [MS-WSMV] 2.2.4.37. Code page 65001: what comes is UTF-8. */
export async function createShell(context: Context): Promise<string> {
  const body =
    '<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>' +
    `<rsp:IdleTimeOut>PT${idleSeconds}.000S</rsp:IdleTimeOut></rsp:Shell>`;
  const options = { WINRS_NOPROFILE: 'FALSE', WINRS_CODEPAGE: '65001' };
  const request = { action: 'create', body, options, timeoutSeconds: usualSeconds } as const;
  return shellIdIn(await asked(context, request, 'opening a shell'), context.conversation.channel.name);
}

/** With what runs in it. [MS-WSMV] 3.1.4.14: a command that has ended, and whose output was taken, is ended before. */
export async function removeShell(context: Context, shellId: string, commandId?: string): Promise<void> {
  if (commandId !== undefined) await endCommand(context, shellId, commandId);
  const request = { action: 'remove', body: '', shellId, timeoutSeconds: usualSeconds } as const;
  await asked(context, request, 'removing the shell');
}

/** @throws AppError `io` when it says too much, and what the requests throw. The shell is still there then. */
export async function runInShell(context: Context, shellId: string, command: Command) {
  const where = context.conversation.channel.name;
  const commandId = await startCommand(context, shellId, command);
  await sendInput(context, shellId, commandId, command.input);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let length = 0;
  const listening = {
    action: 'receive',
    body: `<rsp:Receive><rsp:DesiredStream CommandId="${escapeXml(commandId)}">stdout stderr</rsp:DesiredStream></rsp:Receive>`,
    shellId,
    timeoutSeconds: listenSeconds,
  } as const;
  for (;;) {
    const body = await ask(context, listening, 'waiting for the command');
    if (body === undefined) {
      await breathe(context);
      continue;
    }
    const heard = receivedIn(body, commandId, where);
    const came = heard.stdout.length + heard.stderr.length;
    length += came;
    if (length > command.maximumBytes)
      throw new AppError('io', `the command says more than ${command.maximumBytes} bytes`, { where });
    stdout.push(heard.stdout);
    stderr.push(heard.stderr);
    if (heard.code !== undefined) {
      const ended: Ended = { code: heard.code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
      return { commandId, ended };
    }
    if (came === 0) await breathe(context);
  }
}

/** A server that answers at once with nothing is not to be asked in a circle. */
const breathe = ({ signal }: Context): Promise<void> =>
  pause(50, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);

async function startCommand(context: Context, shellId: string, { args }: Command): Promise<string> {
  const [program, ...rest] = args.map(plainWord);
  const words = rest.map((word) => `<rsp:Arguments>${word}</rsp:Arguments>`).join('');
  const body = `<rsp:CommandLine><rsp:Command>${program}</rsp:Command>${words}</rsp:CommandLine>`;
  // Standard input is a pipe that has an end, no console.
  const options = { WINRS_CONSOLEMODE_STDIN: 'FALSE', WINRS_SKIP_CMD_SHELL: 'FALSE' };
  const request = { action: 'command', body, shellId, options, timeoutSeconds: usualSeconds } as const;
  return commandIdIn(
    await asked(context, request, 'starting the command'),
    context.conversation.channel.name,
  );
}

async function sendInput(context: Context, shellId: string, commandId: string, input: string): Promise<void> {
  const bytes = Buffer.from(input);
  for (let at = 0; ; at += sendBytes) {
    const isLast = at + sendBytes >= bytes.length;
    const part = bytes.subarray(at, at + sendBytes).toString('base64');
    const body =
      `<rsp:Send><rsp:Stream Name="stdin" CommandId="${escapeXml(commandId)}"${isLast ? ' End="true"' : ''}>` +
      `${part}</rsp:Stream></rsp:Send>`;
    const request = { action: 'send', body, shellId, timeoutSeconds: usualSeconds } as const;
    await asked(context, request, 'giving the command its input');
    if (isLast) return;
  }
}

async function endCommand(context: Context, shellId: string, commandId: string): Promise<void> {
  const body = `<rsp:Signal CommandId="${escapeXml(commandId)}"><rsp:Code>${shellSpace}/signal/terminate</rsp:Code></rsp:Signal>`;
  const request = { action: 'signal', body, shellId, timeoutSeconds: usualSeconds } as const;
  await asked(context, request, 'ending the command');
}

function plainWord(word: string): string {
  if (!/^[\w./:=+-]+$/.test(word))
    throw new AppError(
      'bug',
      `a word that cmd.exe could read in its own way: ${JSON.stringify(word.slice(0, 80))}`,
    );
  return word;
}
