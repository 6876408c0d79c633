/** Copies to keep, as fields. */
import { describe, expect, it } from 'vitest';
import { keepFields } from '../../../src/screens/configuration/keep-fields.ts';
import type { KeepDraft, State } from '../../../src/state/state.ts';
import { base } from '../states.ts';

const profiles: State['profiles'] = [
  { id: 'p1', name: 'nas', environment: 'ssh', settings: { host: 'nas.lab' }, secretFields: [] },
  { id: 'p2', name: 'lab', environment: 'libvirt', settings: {}, secretFields: [] },
];
const fields = (keep?: KeepDraft) =>
  keepFields({ ...base, profiles, draft: { ...base.draft, ...(keep === undefined ? {} : { keep }) } });
const keeping = (keep: KeepDraft | undefined) => ({ command: { type: 'draft', change: { keep } } });

describe('the field of kept copies', () => {
  it('is one as long as nothing is kept', () => {
    const [keep, ...others] = fields();
    expect(others).toEqual([]);
    expect(keep).toMatchObject({ shown: 'no', changed: false });
    expect(keep!.apply('extracted,changed')).toEqual(keeping({ stages: ['extracted', 'changed'] }));
  });

  it('is taken back', () => {
    const [keep, place] = fields({ stages: ['extracted'], place: { folder: '/k' } });
    expect(keep).toMatchObject({ shown: 'yes, as it is read', changed: true });
    expect(keep!.apply('')).toEqual(keeping(undefined));
    expect(place!.apply(' ')).toEqual(keeping({ stages: ['extracted'] }));
  });

  it('takes a folder here, or one behind SSH', () => {
    const [, place] = fields({ stages: ['changed'] });
    expect(place).toMatchObject({ shown: 'the store of kept copies here', changed: false });
    expect(place!.apply('/srv/kept')).toEqual(
      keeping({ stages: ['changed'], place: { folder: '/srv/kept' } }),
    );
    const there = { environment: 'ssh', profile: 'p1', settings: { folder: '/srv/kept' } } as const;
    expect(place!.apply('nas:/srv/kept')).toEqual(keeping({ stages: ['changed'], place: there }));
    expect(fields({ stages: ['changed'], place: there })[1]).toMatchObject({ shown: 'nas:/srv/kept' });
    for (const wrong of ['kept', 'lab:/srv/kept', 'nas:', 'other:/srv/kept'])
      expect(place!.apply(wrong)).toHaveProperty('error');
  });
});
