/** Starts a machine and looks whether it stays up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import type { Libvirt } from './connect.ts';

/** What is wrong with a machine's devices shows at once; what is wrong in its guest is not ours to wait for. */
const watchedMilliseconds = 1500;

/** @throws AppError with libvirt's own words, `cancelled`. */
export async function startDomain(
  { virsh }: Libvirt,
  uuid: string,
  signal: AbortSignal,
): Promise<PowerState> {
  const domain = `--domain=${uuid}`;
  await virsh(['start', domain], { signal });
  await sleep(watchedMilliseconds, undefined, { signal }).catch((error) => {
    throw toAppError(error);
  });
  const [state = '', reason] = (await virsh(['domstate', '--reason', domain], { signal }))
    .trim()
    .split(/ \((.*)\)$/);
  if (/^(running|idle|no state|in shutdown)$/.test(state)) return 'running';
  if (/^(paused|pmsuspended)$/.test(state) && !/error|crash/.test(reason ?? '')) return 'suspended';
  throw new AppError(
    'io',
    `the machine was started and is ${state}${reason === undefined ? '' : ` (${reason})`}`,
    {
      hint: 'look into its log, /var/log/libvirt/qemu',
    },
  );
}
