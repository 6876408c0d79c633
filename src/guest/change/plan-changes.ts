/** From a guest that was looked into, and where it goes, to what is to be changed in it. Nothing is written. */
import type { Finding } from '../../model/finding.ts';
import type { GuestPlan } from '../../model/guest-plan.ts';
import type { GuestSystemFiles, OpenGuest } from '../guest.ts';
import { planLinux } from './linux/plan-linux.ts';
import type { MovedPartition } from './linux/stable-names.ts';
import type { GuestTarget, TargetNic } from './target.ts';
import { type PlannedChange, PlannedTree } from './tree.ts';
import { planUndo, type Undo } from './undo.ts';
import { planWindows } from './windows/plan-windows.ts';
import { bitLocker, isBitLocker } from './windows/refusals.ts';

export interface PlannedChanges {
  /** The one that is changed. */
  readonly guest?: GuestSystemFiles;
  readonly changes: readonly PlannedChange[];
  readonly leftOut: readonly PlannedChange[];
  readonly findings: readonly Finding[];
}

export interface ChangeRequest {
  readonly target: GuestTarget;
  /** As the machine has them now, in the order of `target.nics`. */
  readonly nics: readonly TargetNic[];
  readonly wish: GuestPlan;
  /** The new password of a user of the guest. Only for a preview may it be any text: it is never shown. */
  password?(user: string): Promise<string>;
  /** Where partitions were that lie elsewhere now: what names them by their place is to name them otherwise. */
  readonly moves?: readonly MovedPartition[];
  /** What is taken back, where `wish.undo` names a run. */
  readonly undo?: readonly Undo[];
  readonly signal: AbortSignal;
}

/** @throws AppError `cancelled`, and what reading the guest meets. */
export async function planChanges(guest: OpenGuest, request: ChangeRequest): Promise<PlannedChanges> {
  const [chosen, ...others] = guest.systems;
  const none = { changes: [], leftOut: [] };
  if (chosen === undefined) return { ...none, findings: [isEncrypted(guest) ? encrypted : nothingKnown] };
  const findings = others.length === 0 ? [] : [severalSystems(guest)];
  // What could not be read of it is not in the changes either.
  findings.push(...guest.findings.filter(({ rule }) => rule === 'guest.unreadable'));
  const { system, files } = chosen;
  if (files === undefined && system.family === 'windows' && isBitLocker(guest))
    return { ...none, findings: [...findings, bitLocker] };
  if (files === undefined)
    return { ...none, findings: [...findings, notKnown(`the files of ${system.name} can't be read here`)] };
  const tree = new PlannedTree(files, request.wish.without);
  if (request.wish.undo !== undefined) {
    findings.push(...(await planUndo(tree, request.wish.undo, request.undo ?? [])));
    return { guest: chosen, changes: tree.changes, leftOut: tree.leftOut, findings };
  }
  if (system.family === 'windows') {
    findings.push(...(await planWindows(tree, { ...request, system, files, reports: guest.reports })));
    return { guest: chosen, changes: tree.changes, leftOut: tree.leftOut, findings };
  }
  if (system.family !== 'linux')
    return { ...none, findings: [...findings, notKnown(`changes of ${system.name} are not known here`)] };
  const context = { ...request, system, files, volumes: guest.identities, reports: guest.reports };
  findings.push(...(await planLinux(tree, context)));
  return { guest: chosen, changes: tree.changes, leftOut: tree.leftOut, findings };
}

/** A disk of data needs nothing. */
const nothingKnown: Finding = {
  rule: 'guest.not-changed',
  severity: 'note',
  message: 'nothing is changed inside the guest: no system was recognised on the disks',
};

const isEncrypted = ({ reports }: OpenGuest): boolean =>
  reports.some(({ partitions, volumes = [] }) =>
    [...partitions, ...volumes].some(({ volume }) => volume?.encrypted === true),
  );

const encrypted: Finding = {
  rule: 'guest.not-changed',
  severity: 'warning',
  message: 'nothing is changed inside the guest: what may hold its system is encrypted',
  remedy: 'give the passphrase (LUKS: --secret guest-passphrase=env:NAME); else it may not start there',
};

const notKnown = (why: string): Finding => ({
  rule: 'guest.not-changed',
  severity: 'warning',
  message: `nothing is changed inside the guest: ${why}`,
  remedy: 'see that it has the drivers of the destination, or leave the changes out (--changes none)',
});

const severalSystems = ({ systems }: OpenGuest): Finding => ({
  rule: 'guest.several-systems',
  severity: 'warning',
  message: `${systems.length} systems are on the disks: only ${systems[0]!.system.name} is changed`,
  evidence: systems.map(({ system }) => system.name).join(', '),
});
