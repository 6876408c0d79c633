/** A delivery from end to end, as a run does it, with disks in memory. */
import type { Delivery, DeliveryRequest, Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { encoded } from '../../codecs/vmdk-images.ts';
import { never } from './connected.ts';

export const plainMachine: Machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] };

export function requestFor(machine: Machine, more: Partial<DeliveryRequest> = {}): DeliveryRequest {
  const base = { name: machine.name, machine, settings: {}, force: false, sync: false };
  return { ...base, runId: '20260101-000000-abcd', signal: never, ...more };
}

export async function stream(content: Buffer): Promise<Buffer> {
  const files = await encoded(content, { subformat: 'streamOptimized' });
  return [...files.values()][0]!;
}

export async function send(delivery: Delivery, name: string, bytes: Buffer): Promise<void> {
  const sink = await delivery.sink({ name });
  for (let at = 0; at < bytes.length; at += 100_000) await sink.write(bytes.subarray(at, at + 100_000), at);
  await sink.finish(bytes.length);
}

/** Checked, begun, sent; to be committed. */
export async function sent(
  session: Session,
  request: DeliveryRequest,
  disks: readonly Buffer[],
): Promise<Delivery> {
  const files = disks.map((_, i) => `${request.name}-${i}.vmdk`);
  const findings = await session.destination!.check(request, files, 1);
  const blockers = findings.filter(({ severity }) => severity === 'blocker');
  if (blockers.length > 0) throw new Error(blockers.map(({ message }) => message).join('; '));
  const delivery = await session.destination!.begin(request);
  for (const [i, content] of disks.entries()) await send(delivery, files[i]!, await stream(content));
  return delivery;
}
