/** The machine that a lease makes, and how it is removed: by its UUID also where no answer told it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { quoteArgs } from '../../io/ssh/quote-args.ts';
import { toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import { ObjectGone } from './faults.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf, text } from './soap.ts';
import { taskResult } from './tasks.ts';

/** A link that is cut just now, or a server still busy with the end of the lease. In milliseconds. */
const pauses = [200, 1000, 3000];

export interface ImportedMachine {
  readonly name: string;
  /** No other machine there has it. */
  readonly uuid: string;
  /** As soon as they are known. */
  lease?: Ref;
  entity?: Ref;
}

/**
 * The half or whole machine that we made, and nobody else's; the lease, where it stands, ends before. Resolves to what
 * stays. Never throws.
 */
export async function removeImported(session: VimSession, made: ImportedMachine): Promise<Leftover[]> {
  const { name, uuid } = made;
  for (const pause of [...pauses, undefined]) {
    const failed = await removeOnce(session, made).then(() => undefined, toAppError);
    if (failed === undefined) return [];
    if (pause === undefined || (failed.kind !== 'unreachable' && failed.kind !== 'conflict'))
      return [
        {
          what: `the machine "${name}" may be at ${session.client.name} still (${failed.message}); as long as it is locked, its transfer ends there by itself within minutes`,
          command: quoteArgs(['govc', 'vm.destroy', '-vm.uuid', uuid]),
        },
      ];
    await wait(pause);
  }
  return [];
}

async function removeOnce(session: VimSession, made: ImportedMachine): Promise<void> {
  const step = 'removing what was imported';
  try {
    const { lease } = made;
    // One that has ended says so: what counts is whether the machine can be removed.
    if (lease !== undefined)
      await session.call('HttpNfcLeaseAbort', lease, [], { step }).catch(() => undefined);
    const entity = made.entity ?? (await machineOf(session, made.uuid, step));
    if (entity === undefined) return;
    await taskResult(session, await session.call('Destroy_Task', entity, [], { step }), { step });
  } catch (error) {
    if (!(error instanceof ObjectGone)) throw error;
  }
}

async function machineOf(
  session: VimSession,
  uuid: string,
  step: string,
  signal?: AbortSignal,
): Promise<Ref | undefined> {
  const parameters = [text('uuid', uuid), text('vmSearch', true)];
  const [found] = await session.call('FindByUuid', session.service('searchIndex'), parameters, {
    step,
    signal,
  });
  return found === undefined ? undefined : refOf(found);
}

/** The machine's own where no other one there has it: ours is known by it. @throws AppError. */
export async function freeUuid(
  session: VimSession,
  uuid: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (uuid === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) return randomUUID();
  const found = await machineOf(session, uuid, 'looking for machines of the same id', signal);
  return found === undefined ? uuid : randomUUID();
}
