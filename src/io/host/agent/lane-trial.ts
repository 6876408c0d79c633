/**
 * How many connections a copy is worth: where each of them is limited (a throttle on the way, one core of sshd) twice as
 * many carry more. That is found out by trying; those that bring nothing are closed again.
 */

/** What is timed at once, busy milliseconds; so many of these, and the best of them counts. */
const usualSpanMs = 400;
const spansEach = 2;
const mostLanes = 8;
/** Twice as many have to carry so much more. */
const worthIt = 1.25;
/** So many looks after a trial in vain there is another; twice as many after each. */
const restSpans = 60;
/** Connections that are not there by then are not coming. */
const patienceSpans = 10;

export interface Span {
  /** At work now. */
  readonly lanes: number;
  /** Bytes that crossed in all, ever. */
  readonly crossed: number;
  /** This process has time left: it is not what limits. */
  readonly idle: () => boolean;
}

export class LaneTrial {
  #wanted = 0;
  /** Of the trial that is under way. */
  #before: { readonly lanes: number; readonly rate: number } | undefined;
  #waited = 0;
  #spans = 0;
  #best = 0;
  #rest = 0;
  #nextRest = restSpans;
  #lanes = 0;
  #crossed = 0;
  #busyMs = 0;
  #since = 0;
  #underWay = 0;
  readonly #now: () => number;
  readonly #spanMs: number;

  constructor({ now = () => performance.now(), spanMs = usualSpanMs } = {}) {
    this.#now = now;
    this.#spanMs = spanMs;
  }

  /** Only time in which something is waited for counts. */
  begin(): void {
    if (this.#underWay++ === 0) this.#since = this.#now();
  }

  end(): void {
    this.#count();
    this.#underWay--;
  }

  #count(): void {
    const now = this.#now();
    if (this.#underWay > 0) this.#busyMs += now - this.#since;
    this.#since = now;
  }

  /** How many there should be; asked again and again while a copy is under way. */
  wanted(span: Span): number {
    this.#count();
    // Somebody came or went: the time before says nothing of those that are there now.
    if (span.lanes !== this.#lanes) this.#begin(span);
    else if (this.#busyMs >= this.#spanMs) {
      this.#best = Math.max(this.#best, (span.crossed - this.#crossed) / this.#busyMs);
      this.#crossed = span.crossed;
      this.#busyMs = 0;
      if (++this.#spans >= spansEach) {
        const rate = this.#best;
        this.#begin(span);
        this.#judge(span, rate);
      }
    }
    return this.#wanted;
  }

  #begin({ lanes, crossed }: Span): void {
    this.#lanes = lanes;
    this.#crossed = crossed;
    this.#busyMs = 0;
    this.#spans = 0;
    this.#best = 0;
    if (this.#before === undefined) this.#wanted = Math.max(this.#wanted, lanes);
  }

  #judge({ lanes, idle }: Span, rate: number): void {
    const before = this.#before;
    if (before === undefined) {
      if (this.#rest > 0) this.#rest--;
      else if (lanes < mostLanes && idle()) this.#try(lanes, rate);
      return;
    }
    if (lanes < this.#wanted && ++this.#waited < patienceSpans) return;
    if (lanes > before.lanes && rate >= before.rate * worthIt) {
      this.#before = undefined;
      this.#nextRest = restSpans;
      this.#wanted = lanes;
      if (lanes < mostLanes && idle()) this.#try(lanes, rate);
    } else {
      this.#before = undefined;
      this.#wanted = before.lanes;
      this.#rest = this.#nextRest;
      this.#nextRest *= 2;
    }
  }

  #try(lanes: number, rate: number): void {
    this.#before = { lanes, rate };
    this.#waited = 0;
    this.#wanted = Math.min(mostLanes, lanes * 2);
  }
}
