/** Counting what was read of each disk: allocated bytes done and to do, rate, time left. */

/** The rate is that of the last seconds: it follows a change of speed soon and doesn't jump. */
const windowMilliseconds = 5000;

export interface ProgressReport {
  readonly disks: readonly { readonly id: string; readonly bytesDone: number }[];
  /** Bytes a second; 0 until known. */
  readonly rate: number;
  readonly secondsLeft?: number;
  /** It is that of what is read back. */
  readonly verifying?: true;
}

export class ProgressMeter {
  readonly #done = new Map<string, number>();
  readonly #total: number;
  readonly #now: () => number;
  #samples: { at: number; bytes: number }[] = [];

  /** `totals`: allocated bytes by disk id. */
  constructor(totals: ReadonlyMap<string, number>, now: () => number = Date.now) {
    this.#now = now;
    for (const id of totals.keys()) this.#done.set(id, 0);
    this.#total = [...totals.values()].reduce((a, b) => a + b, 0);
    this.#samples.push({ at: now(), bytes: 0 });
  }

  add(id: string, bytes: number): void {
    this.#done.set(id, (this.#done.get(id) ?? 0) + bytes);
  }

  get bytesDone(): number {
    return [...this.#done.values()].reduce((a, b) => a + b, 0);
  }

  /** Forgets the rate: after a pause it would be that of the pause. */
  restart(): void {
    this.#samples = [{ at: this.#now(), bytes: this.bytesDone }];
  }

  report(): ProgressReport {
    const at = this.#now();
    const bytes = this.bytesDone;
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && this.#samples[0]!.at < at - windowMilliseconds) this.#samples.shift();
    const first = this.#samples[0]!;
    const rate = at > first.at ? ((bytes - first.bytes) * 1000) / (at - first.at) : 0;
    return {
      disks: [...this.#done].map(([id, bytesDone]) => ({ id, bytesDone })),
      rate,
      ...(rate > 0 ? { secondsLeft: Math.max(0, this.#total - bytes) / rate } : {}),
    };
  }
}
