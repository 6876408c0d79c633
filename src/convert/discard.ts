/** Giving up what a run that was cut has left at its destination. */
import { throwIfAborted } from '../io/in-order.ts';
import { toAppError } from '../model/errors.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Plan } from '../model/plan.ts';
import { destinationOf } from './delivery-request.ts';
import type { Resumption } from './resumption.ts';
import type { Connector } from './sessions.ts';

/**
 * Removes the files that the run `partsOf` began. @returns what could not be removed.
 * @throws AppError when the destination can't be reached.
 */
export async function discardDelivery(
  plan: Plan,
  { partsOf, resumption }: { readonly partsOf: string; readonly resumption: Resumption },
  connect: Connector,
  signal: AbortSignal,
): Promise<readonly Leftover[]> {
  const session = await connect({ ...plan.destination, role: 'destination' }, signal);
  try {
    const { machine, destination } = plan;
    const delivery = await destinationOf(session).begin({
      ...{ name: machine.name, machine, settings: destination.settings, force: plan.force, sync: false },
      ...{ runId: partsOf, resume: true, signal },
    });
    for (const name of resumption.files) {
      throwIfAborted(signal);
      await delivery.sink({ name, begun: true }).catch((error) => {
        // It is gone already: somebody has removed it by hand.
        if (toAppError(error).kind !== 'not-found') throw error;
      });
    }
    return await delivery.rollback();
  } finally {
    await session.close();
  }
}
