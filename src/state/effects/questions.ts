/** Questions to whoever is there: one is shown, the others wait. What is answered is handed on and not kept. */
import { AppError } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { Question } from '../state.ts';

interface Answer {
  readonly yes: boolean;
  readonly text?: string;
}

export interface PendingQuestion {
  readonly question: Question;
  settle(answer: Answer): void;
}

/** Longer ones are no questions: the text is the other side's. */
const longest = 2000;

export const answer: Effect<'answer'> = ({ id, yes, text }, { live }) =>
  live.questions.get(id)?.settle({ yes, ...(text === undefined ? {} : { text }) });

/** Resolves to no when the command is cancelled. */
export async function confirm(
  context: EffectContext,
  question: Pick<Question, 'text' | 'from'>,
  signal: AbortSignal,
): Promise<boolean> {
  return (await put(context, question, signal)).yes;
}

/** @throws AppError `auth` when no answer is given, `cancelled` when the command is. */
export async function ask(
  context: EffectContext,
  { text, from, hidden }: Pick<Question, 'text' | 'from'> & { readonly hidden: boolean },
  signal: AbortSignal,
): Promise<string> {
  const given = await put(context, { text, from, entry: hidden ? 'hidden' : 'shown' }, signal);
  if (signal.aborted) throw new AppError('cancelled', 'cancelled');
  if (!given.yes || given.text === undefined) {
    throw new AppError('auth', `no answer was given to "${text.trim()}"`, {
      hint: 'try again and answer it, or log in by a key',
    });
  }
  context.services.redactor.add(given.text);
  return given.text;
}

/** Resolves to no when the signal is aborted. */
export function put(
  { live, emit, services }: EffectContext,
  asked: Omit<Question, 'id'>,
  signal: AbortSignal,
): Promise<Answer> {
  if (signal.aborted) return Promise.resolve({ yes: false });
  const id = live.nextQuestion++;
  const { questions } = live;
  const show = () => {
    const [first] = questions.values();
    emit({ type: 'question', ...(first === undefined ? {} : { question: first.question }) });
  };
  const clean = {
    ...services.redactor.redactData(asked),
    text: services.redactor.redact(asked.text).slice(0, longest),
  };
  return new Promise((resolve) => {
    const settle = (given: Answer) => {
      signal.removeEventListener('abort', refuse);
      const shown = questions.keys().next().value === id;
      if (!questions.delete(id)) return;
      if (shown) show();
      resolve(given);
    };
    const refuse = () => settle({ yes: false });
    signal.addEventListener('abort', refuse, { once: true });
    questions.set(id, { question: { id, ...clean }, settle });
    if (questions.size === 1) show();
  });
}
