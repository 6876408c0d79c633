/** What the pool has, one call per class, as the machines are put together from. */
import { AppError } from '../../model/errors.ts';
import { isRecord, type XenClass, type XenRecord, type XenWorld } from '../../packages/xva/records.ts';
import { XapiFailure } from './failures.ts';
import type { XapiSession } from './session.ts';

export interface Inventory extends XenWorld {
  readonly all: ReadonlyMap<XenClass, ReadonlyMap<string, XenRecord>>;
}

const ofMachines = ['VM', 'VBD', 'VDI', 'VIF', 'network', 'SR', 'VM_guest_metrics', 'VTPM', 'host'] as const;

export async function readInventory(session: XapiSession, signal?: AbortSignal): Promise<Inventory> {
  const entries = await Promise.all(
    ofMachines.map(
      async (kind) => [kind, await allOf(session, kind, 'reading the inventory', signal)] as const,
    ),
  );
  const all = new Map<XenClass, ReadonlyMap<string, XenRecord>>(entries);
  return { all, record: (kind, ref) => all.get(kind)?.get(ref) };
}

/** What is no record is left out; a class that this version does not have is empty. */
export async function allOf(
  session: XapiSession,
  kind: string,
  step: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, XenRecord>> {
  const answer = await session.call(`${kind}.get_all_records`, [], { step, signal }).catch((error) => {
    if (error instanceof XapiFailure && error.code === 'MESSAGE_METHOD_UNKNOWN') return {};
    throw error;
  });
  if (!isRecord(answer))
    throw new AppError('corrupt', `${step}: the ${kind}s are no map`, { where: session.name });
  const found = new Map<string, XenRecord>();
  for (const [ref, record] of Object.entries(answer)) if (isRecord(record)) found.set(ref, record);
  return found;
}
