/** A dry run: opens everything, checks the plan, moves nothing. */
import type { OpenImage } from '../codecs/codec.ts';
import { allocatedBytes } from '../io/disk.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { checkPlan } from './check-plan.ts';
import { openMachineDisk, packedWith } from './open-machine.ts';
import { destinationOf, requestOf } from './run-plan.ts';
import type { Connector } from './sessions.ts';

export interface Review {
  readonly findings: readonly Finding[];
  /** Allocated bytes that the conversion will read, as far as the disks can be opened. */
  readonly bytes: number;
}

/** @throws AppError when an environment can't be reached; a disk that can't be opened is a finding. */
export async function reviewPlan(plan: Plan, connect: Connector, signal: AbortSignal): Promise<Review> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    const source = await connect(plan.source, signal);
    opened.push(source);
    const destination = await connect(plan.destination, signal);
    opened.push(destination);
    const images: { id: string; image: OpenImage }[] = [];
    const findings: Finding[] = [];
    let bytes = 0;
    for (const disk of plan.machine.disks) {
      try {
        const options = { signal, runId: 'review' };
        const image = await openMachineDisk(source, plan.source, plan.machine, disk.id, options);
        opened.push(image);
        images.push({ id: disk.id, image });
        bytes += await allocatedBytes(image, signal);
      } catch (error) {
        // A disk that is only packed will be unpacked by the run; any other reason stops it.
        if (packedWith(error) === undefined) findings.push(unopened(disk.name, error));
      }
    }
    const request = requestOf(plan, images, 'review', signal);
    return {
      findings: [...findings, ...(await checkPlan(plan, images, destinationOf(destination), request))],
      bytes,
    };
  } finally {
    for (const thing of opened.reverse()) await thing.close();
  }
}

function unopened(name: string, error: unknown): Finding {
  const { kind, message, hint, where } = toAppError(error);
  if (kind === 'cancelled') throw error;
  return {
    rule: 'disk.unreadable',
    severity: 'blocker',
    message,
    evidence: where ?? name,
    ...(hint === undefined ? {} : { remedy: hint }),
  };
}
