import { useState } from 'react';
import { toFailure } from '../../model/errors.ts';
import { formatBytes, parseRate } from '../../model/units.ts';
import type { DispatcherPort } from '../../state/port.ts';
import { AnswerDialog } from '../widgets/answer-dialog.tsx';

export interface RateDialogProps {
  readonly port: DispatcherPort;
  /** Bytes a second; absent: none. */
  readonly limit: number | undefined;
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

/** How fast the run may read. */
export function RateDialog({ port, limit, width, height, onClose }: RateDialogProps) {
  const [wrong, setWrong] = useState<string>();
  const now = limit === undefined ? 'There is no limit now.' : `At most ${formatBytes(limit)}/s now.`;
  const answer = (line: string) => {
    if (line.trim() === '') void port.dispatch({ type: 'rate' });
    else {
      try {
        void port.dispatch({ type: 'rate', bytesPerSecond: parseRate(line) });
      } catch (error) {
        const { message, hint } = toFailure(error);
        return setWrong(`${message}; ${hint ?? 'write it as 20M'}`);
      }
    }
    onClose();
  };
  return (
    <AnswerDialog
      // What was wrong is typed anew.
      key={wrong ?? ''}
      title="Rate limit"
      text={`${wrong === undefined ? '' : `${wrong}\n\n`}${now}\n\nBytes a second that are read at most, such as 20M; nothing for no limit.`}
      hidden={false}
      width={width}
      height={height}
      onAnswer={answer}
      onRefuse={onClose}
    />
  );
}
