/** `20261123-014233`, UTC, so that names sort as time goes, also over a change of clocks in autumn. */
export function timeStamp(date: Date): string {
  return date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}
