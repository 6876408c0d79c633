/** Long work at the server: a task, looked at until it has ended, and removed then. */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../../model/errors.ts';
import { textIn, textsIn, type XenValue } from '../../packages/xva/records.ts';
import { XapiFailure } from './failures.ts';
import type { CallOptions } from './json-rpc.ts';
import type { XapiSession } from './session.ts';

/** A task of our own, for a transfer beside the API. */
export const makeTask = (session: XapiSession, label: string, signal?: AbortSignal): Promise<string> =>
  session.text('task.create', [label, ''], { step: label, signal });

/** `method` as a task of the server's, without a limit of time. Its result as text. @throws AppError. */
export async function callAsTask(
  session: XapiSession,
  method: string,
  parameters: readonly XenValue[],
  options: CallOptions,
): Promise<string> {
  const task = await session.text(`Async.${method}`, parameters, options);
  return taskResult(session, task, options);
}

/** Cancelled here, it is cancelled there. @throws AppError; the task is gone then, too. */
export async function taskResult(session: XapiSession, task: string, options: CallOptions): Promise<string> {
  try {
    return await untilEnded(session, task, options);
  } finally {
    await endTask(session, task, options.signal?.aborted ?? false);
  }
}

async function untilEnded(
  session: XapiSession,
  task: string,
  { step, signal }: CallOptions,
): Promise<string> {
  for (let pause = 50; ; pause = Math.min(pause * 1.5, 2000)) {
    const record = await session.record('task.get_record', [task], { step, signal });
    const status = textIn(record, 'status');
    if (status === 'success') return resultOf(textIn(record, 'result') ?? '');
    if (status === 'failure') {
      const [code = 'INTERNAL_ERROR', ...details] = textsIn(record, 'error_info');
      throw new XapiFailure(code, details, step, session.name);
    }
    if (status === 'cancelled') throw new XapiFailure('TASK_CANCELLED', [], step, session.name);
    if (status !== 'pending' && status !== 'cancelling') {
      throw new AppError('corrupt', `${step}: a task without a state`, { where: session.name });
    }
    await wait(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw new AppError('cancelled', 'cancelled', { cause: signal?.reason });
    });
  }
}

/** Gives a task the time in which the server refuses what is impossible. @throws XapiFailure. */
export async function refusedSoon(session: XapiSession, task: string, { step, signal }: CallOptions) {
  for (const pause of [100, 400]) {
    await wait(pause, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    const record = await session.record('task.get_record', [task], { step, signal });
    if (textIn(record, 'status') !== 'failure') continue;
    const [code = 'INTERNAL_ERROR', ...details] = textsIn(record, 'error_info');
    throw new XapiFailure(code, details, step, session.name);
  }
}

/** A result travels as the XML of its value. */
const resultOf = (text: string): string => /^<value>([^<]*)<\/value>$/.exec(text)?.[1] ?? text;

/** Never throws: a task that stays is the server's to remove, as it does after a day. */
export async function endTask(session: XapiSession, task: string, cancel: boolean): Promise<void> {
  const signal = AbortSignal.timeout(5000);
  const step = 'ending a task';
  if (cancel) await session.call('task.cancel', [task], { step, signal }).catch(() => undefined);
  await session.call('task.destroy', [task], { step, signal }).catch(() => undefined);
}
