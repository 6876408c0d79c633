/** Starts a machine and waits until it runs. A question of the server's is told, not answered. */
import { child, childrenOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import { textAt, valueText } from './places.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import type { Ref } from './soap.ts';
import { taskResult } from './tasks.ts';

const step = 'starting the machine';

/** @throws AppError `conflict` (a question stands), `no-space`, `auth`, `io`, `cancelled`. */
export async function startMachine(session: VimSession, vm: Ref, signal: AbortSignal): Promise<PowerState> {
  const started = await session.call('PowerOnVM_Task', vm, [], { step, signal });
  const over = new AbortController();
  const waiting = AbortSignal.any([signal, over.signal]);
  try {
    await Promise.race([
      taskResult(session, started, { step, signal: waiting }),
      asked(session, vm, waiting),
    ]);
  } finally {
    over.abort();
  }
  const { values } = await ofObject(session, vm, ['runtime.powerState'], step, signal);
  return valueText(values.get('runtime.powerState')) === 'poweredOn' ? 'running' : 'unknown';
}

/** Rejects when the server asks something, and is otherwise silent until the signal. */
async function asked(session: VimSession, vm: Ref, signal: AbortSignal): Promise<never> {
  for (let pause = 200; ; pause = Math.min(pause * 2, 2000)) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (signal.aborted) return new Promise<never>(() => undefined);
    const { values } = await ofObject(session, vm, ['runtime.question'], step, signal).catch(() => ({
      values: new Map<string, XmlElement>(),
    }));
    const question = values.get('runtime.question');
    if (question === undefined) continue;
    throw new AppError('conflict', `the server asks: ${shown(textAt(question, 'text') ?? '')}`, {
      where: session.client.name,
      hint: `answer it there: ${answersOf(question)}`,
    });
  }
}

function answersOf(question: XmlElement): string {
  const choice = child(question, 'choice');
  const labels = choice === undefined ? [] : childrenOf(choice, 'choiceInfo').map((c) => textAt(c, 'label'));
  return (
    shown(labels.filter((label) => label !== undefined).join(', ')) || 'it has no answers to choose from'
  );
}

const shown = (text: string): string =>
  text
    .replace(/[\0-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, 500);
