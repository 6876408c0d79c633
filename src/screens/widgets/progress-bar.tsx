import { Text } from 'ink';
import type { Glyphs } from './terminal.ts';
import { type Tone, useTerminal } from './terminal.ts';

const within = (share: number): number => (share > 0 ? Math.min(1, share) : 0);

/** The share that is done, 0 to 1; nothing to do is done. */
export const shareOf = (done: number, total: number): number => (total <= 0 ? 1 : within(done / total));

/** Never 100 % before the end, never more than there is. */
export const percentText = (share: number): string => `${Math.floor(within(share) * 100)}%`.padStart(4);

/** Exactly `width` cells. */
export function barText(share: number, width: number, glyphs: Glyphs): string {
  const steps = glyphs.barParts.length + 1;
  const filled = Math.floor(within(share) * width * steps);
  const whole = Math.floor(filled / steps);
  const part = glyphs.barParts[(filled % steps) - 1] ?? '';
  return glyphs.barFull.repeat(whole) + part + glyphs.barEmpty.repeat(width - whole - (part === '' ? 0 : 1));
}

export interface ProgressBarProps {
  readonly share: number;
  /** With the percentage behind the bar. */
  readonly width: number;
  readonly tone?: Tone;
}

export function ProgressBar({ share, width, tone = 'accent' }: ProgressBarProps) {
  const { glyphs, styles } = useTerminal();
  return (
    <Text wrap="truncate">
      <Text {...styles[tone]}>{barText(share, Math.max(1, width - 5), glyphs)}</Text>
      {` ${percentText(share)}`}
    </Text>
  );
}
