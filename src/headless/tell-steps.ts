/** The progress line of commands that look at an image and change nothing. */
import type { Composed } from '../compose.ts';
import type { Output } from './output.ts';

/** What is done sooner says nothing of its progress, milliseconds. */
const quietFor = 1000;

/** Until the dispatcher ends; the line is the caller's to end. */
export function tellSteps({ dispatcher }: Composed, output: Output): void {
  const started = Date.now();
  dispatcher.watch((event) => {
    if (event.type !== 'machine-check' && event.type !== 'machine-look') return;
    if (Date.now() - started <= quietFor) return;
    const { step, share } = event;
    output.progress(share === undefined ? step : `${String(Math.floor(share * 100)).padStart(3)}% ${step}`);
  });
}
