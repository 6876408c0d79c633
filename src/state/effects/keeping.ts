/** The store of kept copies: what is in it, and the way out of it. */
import { copyId } from '../../env-plugins/kept-copy.ts';
import { AppError } from '../../model/errors.ts';
import type { Keep, Plan } from '../../model/plan.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { keptState } from '../kept.ts';
import type { Services } from '../services.ts';
import type { KeepDraft } from '../state.ts';
import type { KeptStore } from '../stores/kept-store.ts';

function storeOf({ kept }: Services): KeptStore {
  if (kept === undefined) throw new AppError('unsupported', 'there is no store of kept copies');
  return kept;
}

export const list: Effect<'kept'> = async ({ folder }, { services, emit }) => {
  emit({ type: 'kept', kept: keptState(await storeOf(services).list(folder)) });
};

export const remove: Effect<'kept-remove'> = async ({ ids, folder }, context) => {
  const store = storeOf(context.services);
  try {
    for (const id of ids) {
      await refuseGrowing(id, folder, context);
      const { bytes } = await store.remove(id, folder);
      context.emit({ type: 'kept-removed', id, bytes });
    }
  } finally {
    await context.perform({ type: 'kept', ...(folder === undefined ? {} : { folder }) });
  }
};

/** @throws AppError `conflict` for one that is being made. */
async function refuseGrowing(
  id: string,
  folder: string | undefined,
  { services }: EffectContext,
): Promise<void> {
  const { entries } = await storeOf(services).list(folder);
  const entry = entries.find((one) => one.id === id);
  if (entry?.status !== 'half-made') return;
  const run = (await services.history.list()).find((one) => one.id === entry.run);
  if (run?.outcome === 'running')
    throw new AppError('conflict', 'this copy is being made', {
      where: id,
      hint: 'wait for the end of its run, or cancel it',
    });
}

/** For a run that failed: its plan, fed from the whole copy that it has kept of what it read; undefined without one. */
export async function planFromCopy(run: string, { services }: EffectContext): Promise<Plan | undefined> {
  const { summary, plan: given } = await services.history.get(run);
  if (summary.outcome === 'done' || summary.outcome === 'running' || services.kept === undefined)
    return undefined;
  const [{ parsePlan }, { fromCopy }] = await Promise.all([
    import('../../convert/parse-plan.ts'),
    import('../../convert/keep-plans.ts'),
  ]);
  const place = (given as Partial<Plan> | undefined)?.keep?.place;
  if (place === undefined || 'environment' in place) return undefined;
  const plan = parsePlan(given);
  const { folder, entries } = await services.kept.list(place.folder);
  const id = copyId({ run, stage: 'extracted' });
  const isWhole = entries.some((entry) => entry.id === id && entry.status === 'whole');
  return isWhole ? fromCopy(plan, id, folder) : undefined;
}

/** What a plan is told of its copies: the store's place and reserve, where nothing else was said. */
export async function keepOf(
  draft: KeepDraft | undefined,
  { services }: EffectContext,
): Promise<Keep | undefined> {
  if (draft === undefined || draft.stages.length === 0) return undefined;
  const place = draft.place ?? { folder: await storeOf(services).folder(), usual: true as const };
  const { keptReserveBytes } = await services.preferences.load();
  return {
    ...(keptReserveBytes === undefined ? {} : { reserveBytes: keptReserveBytes }),
    ...draft,
    place,
  };
}
