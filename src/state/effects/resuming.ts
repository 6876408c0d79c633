/** Runs that were cut: which there are, going on with one, and giving one up. */
import { discardDelivery } from '../../convert/discard.ts';
import { KeptChanges } from '../../convert/kept-changes.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { ResumableRun } from '../state.ts';
import type { Left } from '../stores/history.ts';
import { connectorFor } from './connection.ts';
import { planFromCopy } from './keeping.ts';

export const list: Effect<'resumable'> = async (_, { services, emit }) => {
  const runs: ResumableRun[] = [];
  for (const { id, outcome, startedAt } of await services.history.list()) {
    if (outcome !== 'interrupted' && outcome !== 'failed' && outcome !== 'cancelled') continue;
    const left = await services.history.resumable(id).catch((error) => {
      const { kind } = toAppError(error);
      if (kind === 'conflict' || kind === 'unsupported' || kind === 'not-found') return undefined;
      throw error;
    });
    if (left !== undefined) runs.push(inWords(left, Date.parse(startedAt)));
  }
  emit({ type: 'resumable', runs });
};

function inWords({ id, title, bytes, resumption }: Left, startedAt: number): ResumableRun {
  const disks = resumption.source.map(({ disk, name, size }) => ({
    ...{ name, sizeBytes: size },
    doneBelow: resumption.disks.get(disk)?.to ?? 0,
  }));
  return { id, title, startedAt, bytes, disks };
}

export const resumeRun: Effect<'resume-run'> = async ({ id, when = {}, away }, context) => {
  const { services, emit, perform } = context;
  const type = away === true ? 'run-away' : 'run';
  const left = await services.history.resumable(id).catch((error) => toAppError(error));
  if (left instanceof AppError) {
    // What can't be gone on with there is fed from what was kept of its source.
    const again = left.kind === 'unsupported' ? await planFromCopy(id, context) : undefined;
    if (again === undefined) throw left;
    emit({ type: 'went', screen: 'run' });
    return perform({ type, plans: [again], when });
  }
  const plan = await planOf(left);
  emit({ type: 'went', screen: 'run' });
  await perform({ type, plans: [plan], when: { ...when, resumes: id } });
};

export const discardRun: Effect<'discard-run'> = async ({ id }, context) => {
  const { services, emit, signal } = context;
  const left = await services.history.resumable(id);
  const connect = connectorFor(context, () => undefined);
  const leftovers = await discardDelivery(await planOf(left), left, connect, signal);
  await new KeptChanges(services.history.changesFolder(left.partsOf)).remove();
  await services.history.claim(id, 'discarded');
  emit({ type: 'discarded', id, leftovers });
  await relist(context);
};

async function relist({ services, perform }: EffectContext): Promise<void> {
  if (services.interactive) await perform({ type: 'resumable' });
}

async function planOf({ id, plan }: Left) {
  const { parsePlan } = await import('../../convert/parse-plan.ts');
  try {
    return parsePlan(plan);
  } catch (cause) {
    throw new AppError('unsupported', 'its plan can not be read by this version', { where: id, cause });
  }
}
