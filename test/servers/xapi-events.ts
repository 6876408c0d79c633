/** event.from and event.inject of the fake pool: what differs from how it was when the token was given. See `xapi.ts`. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Database, Failure, type Fields } from './xapi-database.ts';

type Seen = ReadonlyMap<string, ReadonlyMap<string, string>>;

export class Events {
  readonly #database: Database;
  readonly #seen = new Map<string, Seen>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** A token of now. */
  inject(): string {
    const seen = new Map(
      [...this.#database.classes].map(([kind, records]) => [
        kind,
        new Map([...records].map(([ref, record]) => [ref, JSON.stringify(record)])),
      ]),
    );
    const token = `token-${this.#seen.size}`;
    this.#seen.set(token, seen);
    return token;
  }

  /** Forgets all tokens, as a server does that was busy. */
  lose(): void {
    this.#seen.clear();
  }

  async from(kinds: readonly string[], token: string, seconds: number): Promise<Fields> {
    const before: Seen | undefined = token === '' ? new Map() : this.#seen.get(token);
    if (before === undefined) throw new Failure('EVENTS_LOST');
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const events = kinds.flatMap((kind) => this.#changes(kind, before.get(kind) ?? new Map()));
      const counts = Object.fromEntries(
        kinds.map((kind) => [kind.toLowerCase(), this.#database.of(kind).size]),
      );
      if (events.length > 0 || Date.now() > end)
        return { events, token: this.inject(), valid_ref_counts: counts };
      await wait(20, undefined, { ref: false });
    }
  }

  #changes(kind: string, before: ReadonlyMap<string, string>): Fields[] {
    const now = this.#database.of(kind);
    const of = (operation: string, ref: string, more: Fields = {}) => ({
      ...{ id: '0', timestamp: '0', class: kind.toLowerCase(), operation, ref },
      ...more,
    });
    const changed = [...now].flatMap(([ref, record]) => {
      if (before.get(ref) === JSON.stringify(record)) return [];
      return [of(before.has(ref) ? 'mod' : 'add', ref, { snapshot: record })];
    });
    return [...changed, ...[...before.keys()].filter((ref) => !now.has(ref)).map((ref) => of('del', ref))];
  }
}
