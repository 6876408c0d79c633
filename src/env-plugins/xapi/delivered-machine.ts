/** What becomes of a machine whose disks are there, however they came. */
import { AppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import { textIn } from '../../packages/xva/records.ts';
import { powerState } from '../../packages/xva/xen-machine.ts';
import { vifRecord } from '../../packages/xva/xen-record.ts';
import type { DeliveryRequest } from '../plugin.ts';
import { networkFor, type Places } from './places.ts';
import type { XapiSession } from './session.ts';
import { callAsTask } from './tasks.ts';

export interface DeliveryPlace {
  readonly session: XapiSession;
  readonly places: Places;
  readonly request: DeliveryRequest;
}

/** @throws AppError. */
export async function makeNics(
  { session, places, request: { machine, settings } }: DeliveryPlace,
  vm: string,
  step: string,
): Promise<void> {
  for (const [i, nic] of machine.nics.entries()) {
    const network = networkFor(places, settings, nic.network);
    if (network === undefined) throw new AppError('not-found', `there is no network for NIC ${i + 1}`);
    const { mac, ...others } = nic;
    const kept = mac !== undefined && settings.keepMac !== 'no' ? { ...others, mac } : others;
    await session.call('VIF.create', [vifRecord(vm, network.ref, kept, i)], { step });
  }
}

/** @throws AppError. */
export async function startMachine(
  session: XapiSession,
  vm: string,
  name: string,
  signal: AbortSignal,
): Promise<PowerState> {
  const step = `starting "${name}"`;
  await callAsTask(session, 'VM.start', [vm, false, false], { step, signal });
  const record = await session.record('VM.get_record', [vm], { step, signal });
  return textIn(record, 'power_state') === undefined ? 'unknown' : powerState(record);
}
