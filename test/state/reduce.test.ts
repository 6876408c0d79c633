import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/model/machine.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Event } from '../../src/state/events.ts';
import { initialState, reduce } from '../../src/state/reduce.ts';
import type { RunItem, State } from '../../src/state/state.ts';

const stateAfter = (...events: Event[]): State => events.reduce(reduce, initialState);
const machine = (id: string): Machine => ({
  id,
  name: id,
  state: 'off',
  disks: [],
  nics: [],
  findings: [],
});
const found = (id: string): Event => ({ type: 'machine-found', machine: machine(id) });
const item: RunItem = {
  title: 'm',
  destination: '/d',
  plan: {} as Plan,
  status: 'running',
  step: '',
  disks: [
    { id: 'a', name: 'a', bytesDone: 0, bytesTotal: 100, status: 'waiting' },
    { id: 'b', name: 'b', bytesDone: 0, bytesTotal: 50, status: 'waiting' },
  ],
  places: [],
};
const started: Event = { type: 'run-started', id: 'r', at: 1, items: [item, item] };

it('what a test said is gone when the profile is another', () => {
  const failed: Event = { type: 'profile-test', profile: 'p', status: 'failed', text: 'no' };
  expect(stateAfter(failed).profileTest).toEqual({ profile: 'p', status: 'failed', text: 'no' });
  expect(stateAfter(failed, { type: 'profiles', profiles: [] })).not.toHaveProperty('profileTest');
});

describe('the connection', () => {
  const of = { environment: 'local' };
  it.each<[string, Event[], State['connection']]>([
    ['connecting', [{ type: 'connecting', ...of, step: 's' }], { status: 'connecting', ...of, step: 's' }],
    [
      'connected',
      [{ type: 'connected', ...of, profile: 'p', label: 'L' }],
      { status: 'connected', ...of, profile: 'p', label: 'L' },
    ],
    [
      'failed',
      [{ type: 'connect-failed', ...of, failure: { kind: 'auth', message: 'no' } }],
      { status: 'failed', ...of, failure: { kind: 'auth', message: 'no' } },
    ],
    ['none', [{ type: 'connected', ...of, label: 'L' }, { type: 'disconnected' }], { status: 'none' }],
  ])('%s', (_, events, connection) => {
    expect(stateAfter(...events).connection).toEqual(connection);
  });

  it('that ends takes its machines and the selection with it', () => {
    const state = stateAfter(found('a'), { type: 'selected', ids: ['a'] }, { type: 'disconnected' });
    expect(state).toMatchObject({ machines: { status: 'idle', items: [] }, selected: [] });
  });
});

describe('machines', () => {
  it('are kept once, in the order they were found; found again they are looked into again', () => {
    const surveyed: Event = { type: 'machine-surveyed', machine: machine('a'), images: {}, reports: {} };
    const state = stateAfter(found('a'), found('b'), surveyed, found('a'));
    expect(state.machines.items.map((i) => [i.machine.id, i.survey])).toEqual([
      ['a', 'waiting'],
      ['b', 'waiting'],
    ]);
  });

  it('that belong to others leave the list and the selection; a late survey does not bring them back', () => {
    const state = stateAfter(
      found('a'),
      found('b'),
      { type: 'selected', ids: ['a', 'b'] },
      { type: 'machines-merged', ids: ['b'] },
      { type: 'machine-surveyed', machine: machine('b'), images: {}, reports: {} },
    );
    expect(state.machines.items.map((i) => i.machine.id)).toEqual(['a']);
    expect(state.selected).toEqual(['a']);
  });

  it('say why they could not be looked into', () => {
    const failure = { kind: 'corrupt', message: 'broken' } as const;
    const surveyed: Event = {
      type: 'machine-surveyed',
      machine: machine('a'),
      images: {},
      reports: {},
      failure,
    };
    expect(stateAfter(found('a'), surveyed).machines.items[0]).toMatchObject({ survey: 'failed', failure });
    expect(stateAfter({ type: 'listing' }, { type: 'listed', failure }).machines).toMatchObject({
      status: 'failed',
      failure,
    });
    expect(stateAfter({ type: 'listing' }, { type: 'listed' }).machines).toEqual({
      status: 'done',
      items: [],
    });
  });
});

describe('the draft', () => {
  it('takes changes, and takes them back with undefined', () => {
    const state = stateAfter(
      { type: 'drafted', change: { format: 'vmdk', folder: '/x' } },
      { type: 'drafted', change: { format: undefined } },
      { type: 'machine-edited', id: 'a', change: { name: 'n', processors: 2 } },
      { type: 'machine-edited', id: 'a', change: { processors: undefined } },
    );
    expect(state.draft).toMatchObject({ folder: '/x', edits: { a: { name: 'n' } } });
    expect('format' in state.draft).toBe(false);
    expect('processors' in state.draft.edits.a!).toBe(false);
  });
});

describe('a run', () => {
  it('counts allocated bytes over all its machines, and never more than there are', () => {
    const waits = { type: 'run-item', index: 0, change: { status: 'waiting' } } as const;
    const state = stateAfter(started, waits, {
      type: 'progress',
      index: 1,
      disks: [
        { id: 'a', bytesDone: 40 },
        { id: 'b', bytesDone: 70 },
      ],
      rate: 5,
      secondsLeft: 9,
    });
    expect(state.run).toMatchObject({ bytesTotal: 300, bytesDone: 90, rate: 5, secondsLeft: 9 });
    const later = reduce(state, { type: 'progress', index: 0, disks: [], rate: 0 });
    expect(later.run && 'secondsLeft' in later.run).toBe(false);
  });

  it('adds up the rates of those that run at once', () => {
    const both = [0, 1].map(
      (index) => ({ type: 'progress', index, disks: [], rate: 5 + index, secondsLeft: 9 }) as const,
    );
    const { run } = stateAfter(started, ...both);
    expect(run).toMatchObject({ rate: 11 });
    expect(run && 'secondsLeft' in run).toBe(false);
  });

  it.each(['done', 'failed', 'cancelled'] as const)('%s has an end', (status) => {
    expect(stateAfter(started, { type: 'run-status', status, at: 7 }).run).toMatchObject({
      status,
      endedAt: 7,
    });
  });

  it.each(['paused', 'cancelling', 'running'] as const)('%s has none, and is not cleared', (status) => {
    const { run } = stateAfter(started, { type: 'run-status', status, at: 7 }, { type: 'run-cleared' });
    expect(run).toMatchObject({ status });
    expect(run && 'endedAt' in run).toBe(false);
  });

  it('keeps the last lines of its log only', () => {
    const lines = Array.from(
      { length: 600 },
      (_, i): Event => ({
        type: 'run-log',
        line: { at: i, level: 'info', text: `${i}` },
      }),
    );
    const { run } = stateAfter(started, ...lines);
    expect(run?.log).toHaveLength(500);
    expect(run?.log.at(-1)?.text).toBe('599');
  });

  it('that is not there takes no events', () => {
    expect(stateAfter({ type: 'run-status', status: 'done', at: 1 }).run).toBeUndefined();
  });
});

it('optional fields are left out, not undefined', () => {
  const state = stateAfter(
    { type: 'notice', notice: { level: 'info', text: 'x' } },
    { type: 'notice' },
    { type: 'profile-chosen', id: 'p' },
    { type: 'profile-chosen' },
    { type: 'question', question: { id: 1, text: '?', from: 'x' } },
    { type: 'question' },
  );
  for (const key of ['notice', 'profile', 'question']) expect(key in state).toBe(false);
});

it('never changes the state it was given', () => {
  const frozen = Object.freeze({ ...initialState, machines: Object.freeze({ ...initialState.machines }) });
  expect(() => reduce(reduce(frozen, found('a')), { type: 'terminating' })).not.toThrow();
  expect(frozen.machines.items).toEqual([]);
});
