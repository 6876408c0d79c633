/** Findings as lines of a pane: pure. */
import type { Finding } from '../model/finding.ts';
import type { PaneLine } from './widgets/text-pane-view.ts';

const order = { blocker: 0, warning: 1, note: 2 } as const;
const tones = { blocker: 'error', warning: 'warn', note: 'dim' } as const;

/** The worst first; the word says the severity, the colour only repeats it. */
export function findingLines(findings: readonly Finding[]): PaneLine[] {
  return [...findings]
    .sort((a, b) => order[a.severity] - order[b.severity])
    .flatMap(({ severity, message, evidence, remedy }) => [
      { text: `${severity.toUpperCase()}: ${message}`, tone: tones[severity], hang: 2 },
      ...(evidence === undefined ? [] : [{ text: `  seen in ${evidence}`, hang: 4 }]),
      ...(remedy === undefined ? [] : [{ text: `  what to do: ${remedy}`, hang: 4 }]),
    ]);
}
