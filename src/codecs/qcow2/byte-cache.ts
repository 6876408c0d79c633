/** The most recently used values of one size each, at most so many bytes of them. */
export class ByteCache<K> {
  readonly #entries = new Map<K, Promise<Buffer>>();
  readonly #limit: number;

  constructor(maximumBytes: number, entryBytes: number) {
    this.#limit = Math.max(4, Math.floor(maximumBytes / entryBytes));
  }

  /** The value of `key`, loaded at most once at a time. A failed load is forgotten. */
  get(key: K, load: () => Promise<Buffer>): Promise<Buffer> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const loading = load();
      entry = loading;
      loading.catch(() => {
        if (this.#entries.get(key) === loading) this.#entries.delete(key);
      });
    } else {
      this.#entries.delete(key);
    }
    this.#entries.set(key, entry);
    if (this.#entries.size > this.#limit) this.#entries.delete(this.#entries.keys().next().value as K);
    return entry;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
