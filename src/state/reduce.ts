/** State from facts: pure. */
import type { Machine } from '../model/machine.ts';
import type { Event } from './events.ts';
import type { DiskProgress, Draft, MachineItem, MachineList, Run, RunItem, State } from './state.ts';
import { hasSameDisks, isActive } from './state.ts';

/** Lines of a run's log that are kept for the screen; the journal has all. */
const logLimit = 500;

export const initialState: State = {
  screen: 'credentials',
  catalog: { environments: [], products: [], formats: [] },
  leftOutPlugins: [],
  profiles: [],
  connection: { status: 'none' },
  destination: { status: 'folder' },
  machines: { status: 'idle', items: [] },
  selected: [],
  draft: { product: 'qemu', folder: '.', options: {}, force: false, sync: false, edits: {} },
  planned: { status: 'idle', plans: [], findings: [], text: [], bytes: 0 },
  liveRuns: [],
  history: [],
  resumable: [],
  also: [],
  terminating: false,
};

export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case 'went':
      return { ...state, screen: event.screen };
    case 'catalog':
      return { ...state, catalog: event.catalog };
    case 'plugins-left-out':
      return { ...state, leftOutPlugins: event.plugins };
    case 'notice':
      return withOptional(state, 'notice', event.notice);
    case 'secret-store':
      return { ...state, secretStore: event.store };
    case 'profiles':
      // What a test said was said of the profile as it was.
      return withOptional({ ...state, profiles: event.profiles }, 'profileTest', undefined);
    case 'profile-chosen':
      return withOptional(state, 'profile', event.id);
    case 'profile-test':
      return { ...state, profileTest: { profile: event.profile, status: event.status, text: event.text } };
    case 'question':
      return withOptional(state, 'question', event.question);
    case 'connecting':
    case 'connected':
    case 'connect-failed':
    case 'disconnected':
      return reduceConnection(state, event);
    case 'listing':
      return { ...state, machines: { status: 'listing', items: state.machines.items } };
    case 'listed': {
      const { items } = state.machines;
      const machines: MachineList =
        event.failure === undefined
          ? { status: 'done', items }
          : { status: 'failed', items, failure: event.failure };
      return { ...state, machines };
    }
    case 'machine-found':
    case 'machine-survey':
    case 'machine-surveyed':
      return withItems(state, reduceItems(state.machines.items, event));
    case 'machine-changed':
      return withItems(
        state,
        state.machines.items.map((item) => withMachine(item, event.machine)),
      );
    case 'machine-check':
    case 'machine-checked':
      return withItems(
        state,
        state.machines.items.map((item) => withCheck(item, event)),
      );
    case 'machine-judged': {
      const { id, judgements } = event;
      return withItems(
        state,
        state.machines.items.map((item) => (item.machine.id === id ? { ...item, judgements } : item)),
      );
    }
    case 'destination':
      return { ...state, destination: event.destination };
    case 'machine-named':
    case 'machine-extents':
    case 'guest-entries':
    case 'guest-packages':
    case 'files-copied':
    case 'guest-remark':
    case 'machine-look':
    case 'machine-verified':
    case 'disk-served':
    case 'serve-remark':
      return state;
    case 'machines-merged':
    case 'machines-gone': {
      const gone = new Set(event.ids);
      return {
        ...withItems(
          state,
          state.machines.items.filter((item) => !gone.has(item.machine.id)),
        ),
        selected: state.selected.filter((id) => !gone.has(id)),
      };
    }
    case 'selected':
      return { ...state, selected: event.ids };
    case 'drafted':
      return { ...state, draft: defined({ ...state.draft, ...event.change }) as Draft };
    case 'machine-edited': {
      const edit = defined({ ...state.draft.edits[event.id], ...event.change });
      return { ...state, draft: { ...state.draft, edits: { ...state.draft.edits, [event.id]: edit } } };
    }
    case 'also':
      return { ...state, also: event.also };
    case 'planning':
      return { ...state, planned: { ...state.planned, status: 'busy' } };
    case 'planned':
      return { ...state, planned: event.planned };
    case 'run-started':
      return { ...state, also: [], run: reduceRun(state.run, event)! };
    case 'run-status':
    case 'run-item':
    case 'progress':
    case 'run-log':
    case 'run-waiting':
    case 'run-limit':
      return withOptional(state, 'run', reduceRun(state.run, event));
    case 'run-cleared':
      return isActive(state.run) ? state : withOptional(state, 'run', undefined);
    case 'run-entered':
      return { ...state, run: event.run };
    case 'run-left':
      return withOptional(state, 'run', undefined);
    case 'live-runs':
      return { ...state, liveRuns: event.runs };
    case 'history':
      return { ...state, history: event.entries };
    case 'resumable':
      return { ...state, resumable: event.runs };
    case 'discarded':
      return state;
    case 'history-entry':
      return withOptional(state, 'historyEntry', event.entry);
    case 'kept':
      return { ...state, kept: event.kept };
    case 'kept-removed':
    case 'status':
      return state;
    case 'terminating':
      return { ...state, terminating: true };
  }
}

/** Without the fields that are undefined. */
const defined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));

/** The state with an optional field set, or left out when the value is undefined. */
function withOptional<K extends keyof State>(state: State, key: K, value: State[K] | undefined): State {
  const { [key]: _, ...rest } = state;
  return (value === undefined ? rest : { ...rest, [key]: value }) as State;
}

const withItems = (state: State, items: readonly MachineItem[]): State => ({
  ...state,
  machines: { ...state.machines, items },
});

type ConnectionEvent = Extract<
  Event,
  { type: 'connecting' | 'connected' | 'connect-failed' | 'disconnected' }
>;

function reduceConnection(state: State, event: ConnectionEvent): State {
  if (event.type === 'disconnected') {
    return {
      ...state,
      connection: { status: 'none' },
      machines: { status: 'idle', items: [] },
      selected: [],
    };
  }
  const { environment } = event;
  const of = event.profile === undefined ? { environment } : { environment, profile: event.profile };
  switch (event.type) {
    case 'connecting':
      return { ...state, connection: { ...of, status: 'connecting', step: event.step } };
    case 'connected':
      return { ...state, connection: { ...of, status: 'connected', label: event.label } };
    case 'connect-failed':
      return { ...state, connection: { ...of, status: 'failed', failure: event.failure } };
  }
}

/** What looking into it has told of its disks and its system is not in a list: it stays. */
function withMachine(item: MachineItem, now: Machine): MachineItem {
  const { machine: before } = item;
  if (before.id !== now.id) return item;
  const disks = hasSameDisks(before, now) ? before.disks : now.disks;
  const system = before.system ?? now.system;
  const { findings } = item.survey === 'done' ? before : now;
  return { ...item, machine: { ...now, disks, findings, ...(system === undefined ? {} : { system }) } };
}

type CheckEvent = Extract<Event, { type: 'machine-check' | 'machine-checked' }>;

function withCheck(item: MachineItem, event: CheckEvent): MachineItem {
  if (item.machine.id !== event.id) return item;
  const { check: _, ...rest } = item;
  if (event.type === 'machine-check') {
    const { step, share } = event;
    return { ...rest, check: { status: 'busy', step, ...(share === undefined ? {} : { share }) } };
  }
  return event.result === undefined ? rest : { ...rest, check: { status: 'done', result: event.result } };
}

type MachineEvent = Extract<Event, { type: 'machine-found' | 'machine-survey' | 'machine-surveyed' }>;

function reduceItems(items: readonly MachineItem[], event: MachineEvent): readonly MachineItem[] {
  switch (event.type) {
    case 'machine-found': {
      const hand = event.byHand === undefined ? {} : { byHand: event.byHand };
      const at = items.findIndex((i) => i.machine.id === event.machine.id);
      const before = items[at];
      // Found again: what is known of it stays on the screen until it has been looked into anew.
      const isKnown = before?.survey === 'done' && !event.later;
      const known = isKnown ? before : { machine: event.machine, images: {}, reports: {} };
      const { machine, images, reports } = known;
      const survey = event.later ? 'later' : 'waiting';
      const item: MachineItem = { machine, survey, images, reports, ...hand };
      return before === undefined ? [...items, item] : items.with(at, item);
    }
    case 'machine-survey':
      return items.map((i) => (i.machine.id === event.id ? { ...i, survey: event.status } : i));
    case 'machine-surveyed': {
      const { machine, images, reports, failure } = event;
      const survey = failure === undefined ? ('done' as const) : ('failed' as const);
      return items.map((i) => {
        if (i.machine.id !== machine.id) return i;
        const hand = i.byHand === undefined ? {} : { byHand: i.byHand };
        return { machine, survey, images, reports, ...hand, ...(failure === undefined ? {} : { failure }) };
      });
    }
  }
}

type RunEvent = Extract<
  Event,
  { type: 'run-started' | 'run-status' | 'run-item' | 'progress' | 'run-log' | 'run-waiting' | 'run-limit' }
>;

function reduceRun(run: Run | undefined, event: RunEvent): Run | undefined {
  if (event.type === 'run-started') {
    const { id, at, items } = event;
    return withTotals({
      id,
      status: 'running',
      items,
      startedAt: at,
      bytesDone: 0,
      bytesTotal: 0,
      rate: 0,
      log: [],
    });
  }
  if (run === undefined) return undefined;
  switch (event.type) {
    case 'run-status': {
      const ended = event.status === 'done' || event.status === 'failed' || event.status === 'cancelled';
      const { waiting: _, ...rest } = run;
      // The time in which it waited is not the conversion's.
      const begins = run.status === 'waiting' && event.status === 'running';
      return {
        ...rest,
        status: event.status,
        ...(begins ? { startedAt: event.at } : {}),
        ...(ended ? { endedAt: event.at } : {}),
      };
    }
    case 'run-item':
      return withTotals({
        ...run,
        items: run.items.map((item, i) => (i === event.index ? { ...item, ...event.change } : item)),
      });
    case 'progress': {
      const done = new Map(event.disks.map((d) => [d.id, d.bytesDone]));
      const items = run.items.map((item, i) =>
        i === event.index
          ? { ...item, rate: event.rate, disks: item.disks.map((disk) => advance(disk, done.get(disk.id))) }
          : item,
      );
      const { secondsLeft: _, ...rest } = run;
      // Several destinations of one source run at once: what is left of one tells nothing of all.
      const running = items.filter(({ status }) => status === 'running');
      const alone = running.length < 2 && event.secondsLeft !== undefined;
      const left = alone ? { secondsLeft: event.secondsLeft } : {};
      const rate = running.length < 2 ? event.rate : running.reduce((sum, item) => sum + (item.rate ?? 0), 0);
      return withTotals({ ...rest, items, rate, ...left });
    }
    case 'run-waiting':
      return { ...run, status: 'waiting', waiting: event.waiting };
    case 'run-limit': {
      const { limit: _, ...rest } = run;
      return event.bytesPerSecond === undefined ? rest : { ...rest, limit: event.bytesPerSecond };
    }
    case 'run-log':
      return { ...run, log: [...run.log, event.line].slice(-logLimit) };
  }
}

function advance(disk: DiskProgress, bytesDone: number | undefined): DiskProgress {
  return bytesDone === undefined ? disk : { ...disk, bytesDone: Math.min(bytesDone, disk.bytesTotal) };
}

function withTotals(run: Run): Run {
  const disks = run.items.flatMap((item: RunItem) => item.disks);
  return {
    ...run,
    bytesDone: disks.reduce((sum, disk) => sum + disk.bytesDone, 0),
    bytesTotal: disks.reduce((sum, disk) => sum + disk.bytesTotal, 0),
  };
}
