/** Whether a machine can run at a destination, and why. Plain data: for the state, `--json` and screens. */
import type { Finding } from './finding.ts';

/** `runs-with-changes`: what is in the way is changed by vmferry. `unknown`: what a blocker asks for is not known. */
export type Verdict = 'runs' | 'runs-with-changes' | 'warnings' | 'blocked' | 'unknown';

/** What vmferry can do about it: a change inside the guest, or an edit of the plan. */
export type RuleChange =
  /** Id of a change, or the part of it before the dot: `names.fstab`, `initramfs`. */
  | { readonly guest: string }
  | { readonly plan: 'format' | 'bus' | 'firmware' | 'table'; readonly to: string };

export interface JudgedFinding extends Finding {
  readonly title: string;
  readonly change?: RuleChange;
  /** Where the rule was read: `AWS VM Import guide, limitations`. */
  readonly source: string;
}

/** A rule that could not be answered, and the facts that it asked for. */
export interface OpenRule {
  readonly rule: string;
  readonly severity: Finding['severity'];
  readonly missing: readonly string[];
}

export interface Judgement {
  /** Id of the pack: `aws`. */
  readonly pack: string;
  readonly label: string;
  readonly version: string;
  /** Of its facts: `2026-11-23`. */
  readonly date: string;
  readonly verdict: Verdict;
  /** The worst first. */
  readonly findings: readonly JudgedFinding[];
  readonly open: readonly OpenRule[];
}

/** What vmferry makes by itself or when it is chosen. */
export const changeInWords = (change: RuleChange): string =>
  'guest' in change ? `change ${change.guest} in the guest` : `set the ${change.plan} to ${change.to}`;
