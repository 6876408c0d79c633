/** What was read in which time, said the same wherever it is said. */
import { formatBytes, formatDuration } from '../model/units.ts';

/** `129 MiB/s`; undefined where nothing can be said. */
export const rateText = (bytes: number, seconds: number): string | undefined =>
  seconds > 0 && bytes > 0 ? `${formatBytes(bytes / seconds)}/s` : undefined;

/** `1.2 GiB in 0:12, 103 MiB/s` */
export function speedText(bytes: number, seconds: number): string {
  const rate = rateText(bytes, seconds);
  return `${formatBytes(bytes)} in ${formatDuration(seconds)}${rate === undefined ? '' : `, ${rate}`}`;
}
