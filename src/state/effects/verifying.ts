/** A machine beside what an earlier run has read. */
import { machineWanted } from '../../convert/find-machine.ts';
import { sourceOf } from '../../convert/open-machine.ts';
import { AppError } from '../../model/errors.ts';
import type { Effect } from '../dispatcher.ts';
import { trustOf } from './connection.ts';
import { sessionOf, stepReporter } from './looking.ts';

export const verify: Effect<'verify-machine'> = async ({ id, run, disk }, context) => {
  const { emit, signal, services } = context;
  const { session, settings } = sessionOf(context);
  const report = stepReporter((step) => emit({ type: 'machine-look', id, ...step }));
  report('looking at its disks');
  const [{ verifyMachine }, kept] = await Promise.all([
    import('../../convert/verify-machine.ts'),
    services.history.digestsOf(run),
  ]);
  if (kept === undefined) {
    throw new AppError('not-found', 'no digests are kept of this run', {
      where: run,
      hint: 'see "vmferry history": a run that was removed, or made by an earlier version, has none',
    });
  }
  const { machine, opening } = await machineWanted(sourceOf(session), id, trustOf(settings), signal);
  const result = await verifyMachine(session, machine, kept, { opening, run, disk, signal, report });
  emit({ type: 'machine-verified', id, result: services.redactor.redactData(result) });
};
