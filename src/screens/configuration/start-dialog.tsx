/** The plan once more, and whether it is to begin: now, or at a time. */
import { useState } from 'react';
import { toFailure } from '../../model/errors.ts';
import { parseDuration, parseStartTime } from '../../model/start-time.ts';
import type { ScreenProps } from '../screen.ts';
import { AnswerDialog } from '../widgets/answer-dialog.tsx';
import { Dialog } from '../widgets/dialog.tsx';
import { confirmText, startReason } from './configuration-view.ts';

export function StartDialog({ port, state, rows, columns, onClose }: ScreenProps & { onClose(): void }) {
  const [later, setLater] = useState<{ readonly wrong: string }>();
  const run = (at?: number) => {
    onClose();
    const now = port.getState();
    // What was ready when it was asked may not be any more; the reason is on the screen.
    if (startReason(now) !== undefined) return;
    const aside = now.also.flatMap((one) => one.plans);
    const known = new Set(aside.map((plan) => JSON.stringify(plan)));
    // Nothing was changed after it was set aside: that is one destination.
    const plans = [...aside, ...now.planned.plans.filter((plan) => !known.has(JSON.stringify(plan)))];
    void port.dispatch({ type: 'run', plans, ...(at === undefined ? {} : { when: { at } }) });
    void port.dispatch({ type: 'go', screen: 'run' });
  };
  if (later === undefined) {
    return (
      <Dialog
        title="Start"
        text={confirmText(state)}
        width={Math.min(columns, 90)}
        height={rows}
        yes="start"
        no="not yet"
        tone="accent"
        more={[{ key: 'l', label: 'later', help: 'begin at a time', run: () => setLater({ wrong: '' }) }]}
        onYes={() => run()}
        onNo={onClose}
      />
    );
  }
  return (
    <AnswerDialog
      // What was wrong is typed anew.
      key={later.wrong}
      title="Start later"
      text={`${later.wrong}When is it to begin? 22:00, or 2h for in two hours, or an ISO time. It waits in a process of its own: this program may end meanwhile.`}
      hidden={false}
      width={Math.min(columns, 70)}
      height={rows}
      onAnswer={(line) => {
        const at = timeOf(line.trim());
        if (typeof at === 'number') run(at);
        else setLater({ wrong: `${at.wrong}\n\n` });
      }}
      onRefuse={onClose}
    />
  );
}

function timeOf(text: string): number | { readonly wrong: string } {
  try {
    return /^[\d.]+\s*[smhd]$/.test(text) ? Date.now() + parseDuration(text) : parseStartTime(text);
  } catch (error) {
    const { message, hint } = toFailure(error);
    return { wrong: hint === undefined ? message : `${message}; ${hint}` };
  }
}
