/** Scripts run by the PowerShell of a host: arguments go as JSON on standard input, the answer comes as JSON. */
import { printable } from '../../io/ssh/failures.ts';
import { AppError } from '../../model/errors.ts';
import { type Answer, answerIn, textIn } from './answers.ts';
import { failureOf } from './failures.ts';
import { answerEnd, answerStart, answerVersion } from './scripts/prelude.ts';
import type { Transport } from './transport.ts';

export interface Call {
  readonly script: string;
  readonly values?: Readonly<Record<string, unknown>>;
  /** What is being done, for messages. */
  readonly step: string;
  /** Absent: it is not to be stopped half-way. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws AppError what the script says went wrong; `unsupported` without PowerShell, `corrupt`. */
export async function runScript(transport: Transport, call: Call): Promise<Answer> {
  const { script, values = {}, step, signal } = call;
  const input = `${base64(script)}.${base64(JSON.stringify(values))}\n`;
  const { code, stdout, stderr } = await transport.powershell(input, signal);
  const json = between(stdout);
  if (json === undefined) {
    throw new AppError('unsupported', `${step}: no PowerShell answers there (exit code ${code})`, {
      where: transport.name,
      hint: `is this a Windows host with Hyper-V? It says: ${printable(stderr || stdout.toString('utf8', 0, 1000))}`,
    });
  }
  const answer = parse(json, transport.name);
  if (answer.version !== answerVersion)
    throw new AppError('corrupt', `${step}: the answer has an unknown version`, { where: transport.name });
  if (answer.error !== undefined) {
    const error = answerIn(answer.error, 'error');
    const code = typeof error.code === 'number' ? error.code : 0;
    const told = {
      message: textIn(error, 'message'),
      id: textIn(error, 'id'),
      category: textIn(error, 'category'),
      code,
    };
    throw failureOf(told, step, transport.name);
  }
  return answerIn(answer.result, 'result');
}

/** A text in single quotes, as a user types it: PowerShell takes the typographic ones for such, too. */
export const quoted = (text: string): string => `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A console may break a long line. */
function between(stdout: Buffer): string | undefined {
  const text = stdout.toString('latin1');
  const start = text.lastIndexOf(answerStart);
  const end = text.indexOf(answerEnd, start);
  if (start < 0 || end < 0) return undefined;
  const inner = text.slice(start + answerStart.length, end).replace(/\s/g, '');
  return Buffer.from(inner, 'base64').toString();
}

function parse(json: string, where: string): Answer {
  try {
    return answerIn(JSON.parse(json), 'it');
  } catch (cause) {
    throw new AppError('corrupt', 'the answer of the host is no JSON', { where, cause });
  }
}
