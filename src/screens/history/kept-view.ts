/** What a conversion has kept, in words. Pure. */
import { formatBytes } from '../../model/units.ts';
import { type KeptState, type KeptSummary, stageWords } from '../../state/kept.ts';

export const keptBy = (run: string, kept: KeptState | undefined): readonly KeptSummary[] =>
  kept?.copies.filter((copy) => copy.run === run) ?? [];

export const keptTexts = (copies: readonly KeptSummary[]): string[] =>
  copies.map(
    ({ id, stage, status, bytes }) =>
      `${stageWords[stage]}, ${formatBytes(bytes)}${status === 'whole' ? '' : ` (${status})`}: ${id}`,
  );

export function removeKeptText(copies: readonly KeptSummary[]): string {
  const bytes = copies.reduce((sum, copy) => sum + copy.bytes, 0);
  const what = copies.length === 1 ? 'its kept copy' : `its ${copies.length} kept copies`;
  return [
    `Remove ${what}, ${formatBytes(bytes)}, for good? What was delivered stays.`,
    '',
    ...keptTexts(copies),
  ].join('\n');
}
