/** One answer of a rule: what will not work, or will work otherwise, with its evidence and its remedy. */
export type Severity = 'blocker' | 'warning' | 'note';

export interface Finding {
  /** Stable name of the rule, such as `disk.size-not-representable`. */
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
  /** What in this machine it was seen in: a disk's name, a file. */
  readonly evidence?: string;
  readonly remedy?: string;
}

/** What was found and where, in a log. */
export const findingText = ({ message, evidence }: Finding): string =>
  evidence === undefined ? message : `${message} (${evidence})`;

/** As `findingText`; a log has no level of its own for a note, so the line says that it is one. */
export const logText = (finding: Finding): string =>
  (finding.severity === 'note' ? 'note: ' : '') + findingText(finding);

export function worst(findings: readonly Finding[]): Severity | undefined {
  for (const severity of ['blocker', 'warning', 'note'] as const) {
    if (findings.some((f) => f.severity === severity)) return severity;
  }
  return undefined;
}
