/** Long work at the server: a task, looked at until it has ended. */
import { untilAborted } from '../../io/host/abort-watch.ts';
import { child, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { faultError } from './faults.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf, typeOf } from './soap.ts';

export interface TaskOptions {
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
  onProgress?(percent: number): void;
}

/** Resolves to the task's result. What goes on when it is cancelled here is the caller's to undo. @throws AppError. */
export async function taskResult(
  session: VimSession,
  started: readonly XmlElement[],
  { step, signal, onProgress }: TaskOptions,
): Promise<XmlElement | undefined> {
  const [value] = started;
  if (value === undefined) throw new AppError('corrupt', `${step}: the server began no task`);
  const task: Ref = refOf(value);
  for (let pause = 100; ; pause = Math.min(pause * 1.5, 2000)) {
    const { values } = await ofObject(session, task, ['info'], step, signal);
    const info = values.get('info');
    if (info === undefined) throw new AppError('corrupt', `${step}: the server tells nothing of the task`);
    const state = textOf(info, 'state');
    if (state === 'success') return child(info, 'result');
    if (state === 'error') throw taskError(info, step, session.client.name);
    const progress = Number(textOf(info, 'progress'));
    if (Number.isInteger(progress)) onProgress?.(progress);
    await untilAborted(new Promise<void>((resolve) => void setTimeout(resolve, pause)), signal);
  }
}

function taskError(info: XmlElement, step: string, where: string): AppError {
  const error = child(info, 'error');
  const detail = error === undefined ? undefined : child(error, 'fault');
  const message = (error && textOf(error, 'localizedMessage')) ?? '';
  return faultError({ type: detail === undefined ? '' : typeOf(detail), message, detail }, step, where);
}
