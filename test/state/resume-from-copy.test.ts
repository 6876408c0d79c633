/** A run that can't be gone on with is fed from the copy that it has kept. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../src/convert/make-plan.ts';
import type { Command } from '../../src/state/commands.ts';
import type { EffectContext } from '../../src/state/dispatcher.ts';
import { resumeRun } from '../../src/state/effects/resuming.ts';
import { History } from '../../src/state/stores/history.ts';
import type { Outcome } from '../../src/state/stores/journal-lines.ts';
import { KeptStore } from '../../src/state/stores/kept-store.ts';
import { copyOf, putCopy } from '../env-plugins/kept/fixtures.ts';
import { tempFolder } from '../temp.ts';

async function ended(outcome: Outcome, kept: boolean) {
  const folder = await tempFolder();
  const store = join(folder, 'kept');
  const history = new History(join(folder, 'runs'), {
    onFailure: (error) => {
      throw error;
    },
    redact: (text) => text,
  });
  const { machine } = copyOf();
  const plan = makePlan({
    source: {
      environment: 'libvirt',
      settings: { host: 'lab' },
      machine: machine.id,
      follow: true,
      partition: 1,
    },
    ...{ machine, product: 'files', folder: '/out', options: {}, force: false, sync: false },
    keep: { stages: ['extracted'], place: { folder: store } },
  });
  const journal = await history.open('web to qcow2', plan);
  await journal.close({ outcome });
  if (kept) await putCopy(store, copyOf({ run: journal.id }));
  const sent: Command[] = [];
  const context = {
    services: { history, kept: new KeptStore(join(folder, 'usual')) },
    emit: () => undefined,
    perform: async (command: Command) => void sent.push(command),
  } as unknown as EffectContext;
  const resume = async () => resumeRun({ type: 'resume-run', id: journal.id }, context);
  return { resume, sent, store, id: `${journal.id}-extracted`, plan };
}

describe('a run that can not be gone on with', () => {
  it('is run again with its kept copy for a source', async () => {
    const { resume, sent, store, id, plan } = await ended('failed', true);
    await resume();
    const { keep: _, source: __, ...rest } = plan;
    const source = { environment: 'kept', settings: { folder: store }, machine: id, follow: false };
    expect(sent).toEqual([{ type: 'run', plans: [{ ...rest, source }], when: {} }]);
  });

  it.each<[Outcome, boolean]>([
    ['failed', false],
    ['done', true],
  ])('and has ended as %s is not, kept or not: %s', async (outcome, kept) => {
    const { resume, sent } = await ended(outcome, kept);
    await expect(resume()).rejects.toMatchObject({ kind: 'unsupported' });
    expect(sent).toEqual([]);
  });
});
