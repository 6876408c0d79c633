/** `attach`: a run that lives elsewhere, followed as one of our own. */
import { AppError } from '../model/errors.ts';
import type { Dispatcher } from '../state/dispatcher.ts';
import { isActive, type Question } from '../state/state.ts';
import type { CommonOptions } from './common-options.ts';
import { followCommand } from './follow-run.ts';
import { type Output, terminalOutput } from './output.ts';
import { liveRuns } from './runs.ts';
import { withDispatcher } from './session.ts';
import { askOnTerminal } from './terminal-question.ts';

const interrupted = 130;

export async function attach(id: string | undefined, options: CommonOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  return withDispatcher(
    options,
    async (composed) => {
      const { dispatcher } = composed;
      const run = id ?? (await theOnly(dispatcher));
      const code = await followCommand(composed, { type: 'attach', id: run }, output);
      if (!isActive(dispatcher.getState().run)) return code;
      output.remark(
        `it goes on; to see it again: vmferry attach ${run}; to end it: vmferry runs --cancel ${run}`,
      );
      return interrupted;
    },
    (dispatcher) => answerWhoAsks(dispatcher, output),
  );
}

async function theOnly(dispatcher: Dispatcher): Promise<string> {
  const runs = await liveRuns(dispatcher);
  if (runs.length === 1) return runs[0]!.id;
  throw runs.length === 0
    ? new AppError('not-found', 'no run lives in a process of its own', {
        hint: 'see "vmferry history" for those that have ended',
      })
    : new AppError('usage', `${runs.length} runs live`, {
        hint: `say which: ${runs.map((run) => `${run.id} (${run.title})`).join(', ')}`,
      });
}

/** What is not answered here stays open for others who look at the run. */
function answerWhoAsks(dispatcher: Dispatcher, output: Output): void {
  const canAnswer = process.stdin.isTTY === true && process.stderr.isTTY === true && !output.json;
  let withdrawn = new AbortController();
  dispatcher.watch((event) => {
    if (event.type !== 'question') return;
    withdrawn.abort();
    withdrawn = new AbortController();
    const { question } = event;
    if (question === undefined) return;
    if (output.json) output.value(event);
    if (canAnswer) void answer(dispatcher, question, withdrawn.signal);
    else output.remark(`${question.from} asks: ${question.text}; it waits for an answer on a terminal`);
  });
}

async function answer(dispatcher: Dispatcher, question: Question, signal: AbortSignal): Promise<void> {
  const { id, entry } = question;
  const asked = entry === undefined ? { ...question, text: `${question.text.trimEnd()} [y/n]` } : question;
  for (;;) {
    const text = await askOnTerminal(asked, { signal });
    if (signal.aborted) return;
    if (entry !== undefined || text === undefined) {
      const given = text === undefined ? {} : { text };
      return dispatcher.perform({ type: 'answer', id, yes: text !== undefined, ...given });
    }
    if (/^(y|yes|n|no)$/i.test(text.trim()))
      return dispatcher.perform({ type: 'answer', id, yes: /^y/i.test(text.trim()) });
  }
}
