/** Looking closely at one machine: whether its images are sound, and what its disks consist of. */
import { checkMachine } from '../../convert/check-machine.ts';
import { machineWanted } from '../../convert/find-machine.ts';
import { mapMachine } from '../../convert/map-machine.ts';
import { sourceOf } from '../../convert/open-machine.ts';
import { AppError } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { trustOf } from './connection.ts';

/** Milliseconds between two events that only say how far it is. */
const eventEvery = 100;

/** @throws AppError `usage` where none is connected. */
export function sessionOf({ live }: EffectContext) {
  if (live.session !== undefined) return live.session;
  throw new AppError('usage', 'no environment is connected', {
    hint: 'choose one on the Environment screen',
  });
}

/** A report that tells each new step at once, and how far it is from time to time. */
export function stepReporter(tell: (step: { step: string; share?: number }) => void) {
  let told = 0;
  let before = '';
  return (step: string, share?: number): void => {
    const now = Date.now();
    if (step === before && now - told < eventEvery) return;
    told = now;
    before = step;
    tell({ step, ...(share === undefined ? {} : { share }) });
  };
}

export const check: Effect<'check-machine'> = async ({ id, deep }, context) => {
  const { emit, signal, services } = context;
  const { session, settings } = sessionOf(context);
  const report = stepReporter((step) => emit({ type: 'machine-check', id, ...step }));
  try {
    report('looking at its disks');
    const { machine, opening } = await machineWanted(sourceOf(session), id, trustOf(settings), signal);
    const result = await checkMachine(session, machine, { ...opening, signal, deep, report });
    emit({ type: 'machine-checked', id, result: services.redactor.redactData(result) });
  } catch (error) {
    emit({ type: 'machine-checked', id });
    throw error;
  }
};

export const map: Effect<'map-machine'> = async ({ id }, context) => {
  const { emit, signal } = context;
  const { session, settings } = sessionOf(context);
  const { machine, opening } = await machineWanted(sourceOf(session), id, trustOf(settings), signal);
  const report = stepReporter((step) => emit({ type: 'machine-look', id, ...step }));
  for await (const found of mapMachine(session, machine, opening, signal, report)) {
    emit({ type: 'machine-extents', machine: id, disk: found.disk, extents: found.extents });
  }
};
