/** A dry run: opens everything, checks the plan, moves nothing. */
import { allocatedBytes } from '../io/disk.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { type Arranged, arranged, atSource, type DiskToArrange } from './arrange/arranged.ts';
import { backingUnreadable, openBacking, withBacking } from './backing.ts';
import { checkPlan } from './check-plan.ts';
import { destinationOf, requestOf } from './delivery-request.ts';
import { guestPassphrase } from './guest-secret.ts';
import type { ManipulateContext } from './manipulate.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import { type GuestReview, reviewGuest } from './review-guest.ts';
import type { Connector } from './sessions.ts';
import { isUp, lookAgain, readNvram } from './source-now.ts';
import { packedWith } from './unpack.ts';
import { warmFindings } from './warm-when.ts';

export interface Review extends GuestReview {
  /** Allocated bytes that the conversion will read, as far as the disks can be opened. */
  readonly bytes: number;
}

/** @throws AppError when an environment can't be reached; a disk that can't be opened is a finding. */
export async function reviewPlan(
  plan: Plan,
  connect: Connector,
  signal: AbortSignal,
  undoOf?: ManipulateContext['undoOf'],
): Promise<Review> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    const source = await connect(plan.source, signal);
    opened.push(source);
    const destination = await connect({ ...plan.destination, role: 'destination' }, signal);
    opened.push(destination);
    const { condition } = await lookAgain(sourceOf(source), plan, signal);
    const asRead = atSource(plan);
    const machine = { ...asRead.machine, state: condition.state };
    const willBeHeld = isUp(condition) && condition.hold === 'can';
    const found: DiskToArrange[] = [];
    const findings: Finding[] = [];
    let bytes = 0;
    for (const disk of asRead.machine.disks) {
      try {
        const options = { signal, runId: 'review' };
        const image = await openMachineDisk(source, plan.source, machine, disk.id, options);
        opened.push(image);
        found.push({ disk, image });
        bytes += await allocatedBytes(image, signal);
      } catch (error) {
        // A disk that is only packed will be unpacked by the run; any other reason stops it.
        if (packedWith(error) === undefined) findings.push(unopened(disk.name, error, willBeHeld));
      }
    }
    const own = await arrangedForReview(plan, found, signal);
    findings.push(...own.findings);
    const images = own.disks.map(({ disk, image }) => ({ id: disk.id, image }));
    const backing = await openBacking(plan, connect, signal).catch((error) => {
      findings.push(backingUnreadable(plan.destination.backing ?? '', error));
      return undefined;
    });
    if (backing !== undefined) opened.push(backing);
    const role = destinationOf(destination);
    const variables = await readNvram(sourceOf(source), plan, signal);
    const request = {
      ...withBacking(await requestOf(plan, images, role, 'review', signal), backing),
      ...(variables.nvram === undefined ? {} : { nvram: variables.nvram }),
    };
    findings.push(
      ...variables.findings,
      ...warmFindings(plan, condition, sourceOf(source)),
      ...(await checkPlan(plan, images, role, request, condition)),
    );
    const guest = await reviewGuest(
      plan,
      images.map(({ image }) => image),
      role,
      request,
      {
        signal,
        moves: own.moves,
        ...(undoOf === undefined ? {} : { undoOf }),
        ...(source.secret === undefined ? {} : { passphrase: () => source.secret!(guestPassphrase) }),
      },
    );
    findings.push(...guest.findings);
    return { ...guest, findings, bytes };
  } finally {
    for (const thing of opened.reverse()) await thing.close();
  }
}

/** What could not be opened now is arranged by the run. */
async function arrangedForReview(
  plan: Plan,
  found: readonly DiskToArrange[],
  signal: AbortSignal,
): Promise<Omit<Arranged, 'disks'> & { readonly disks: readonly DiskToArrange[] }> {
  if (plan.arrange === undefined) return { disks: found, moves: [], findings: [] };
  if (found.length === plan.arrange.disks.length) return arranged(plan, found, signal);
  const finding: Finding = {
    rule: 'disks.arranged-later',
    severity: 'note',
    message:
      'whether the disks can be combined or separated is only known by the run: not all can be opened now',
  };
  return { disks: [], moves: [], findings: [finding] };
}

function unopened(name: string, error: unknown, willBeHeld: boolean): Finding {
  const { kind, message, hint, where } = toAppError(error);
  if (kind === 'cancelled') throw error;
  if (willBeHeld) {
    return {
      rule: 'disk.opened-later',
      severity: 'note',
      message: 'the disk can only be looked at while its machine is held',
      evidence: `${where ?? name}: ${message}`,
    };
  }
  return {
    rule: 'disk.unreadable',
    severity: 'blocker',
    message,
    evidence: where ?? name,
    ...(hint === undefined ? {} : { remedy: hint }),
  };
}
