/** The notes of a machine: what is said of it, and at their end by which run it was made. */

export const runMark = (runId: string): string => `made by vmferry, run ${runId}`;

/** Without our line. */
export const descriptionIn = (notes: string): string =>
  notes.replace(/(^|\n)made by vmferry, run [\w-]{1,64}\s*$/, '').trim();
