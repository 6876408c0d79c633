/**
 * Writes to a run's journal what a report is made of later. However long a run takes, what is written stays bounded:
 * points of the rate come ever more seldom, and of a log that does not end the rest is counted only.
 */
import type { ConversionEvent } from '../../convert/run-context.ts';
import type { Finding } from '../../model/finding.ts';
import type { LogLine } from '../state.ts';
import type { Journal } from '../stores/journal.ts';

/** A point of the rate each so many milliseconds, and after `POINTS` of them each `POINTS`th part of the time so far. */
const APART = 10_000;
const POINTS = 240;

/** Lines of the log, and those more that are warnings or errors. */
const MOST_LINES = 20_000;
const MOST_FINDINGS = 2000;

interface DiskRecord {
  bytes: number;
  beganAt?: number;
  seconds?: number;
  /** What the journal has of it. */
  written?: string;
}

export class RunRecorder {
  readonly #journal: Pick<Journal, 'append'>;
  readonly #redact: <T>(data: T) => T;
  readonly #now: () => number;
  readonly #begun: number;
  readonly #findings = new Set<string>();
  readonly #disks = new Map<string, DiskRecord>();
  /** Their last bytes are told after their end. */
  readonly #ended: [string, DiskRecord][] = [];
  /** What was delivered is read back. */
  #verifying = false;
  #verifyBegun = 0;
  #lines = 0;
  #leftOut = 0;
  /** Of passes and steps that have ended: each counts from 0. */
  #bytesBefore = 0;
  #bytes = 0;
  #point: { at: number; bytes: number } | undefined;

  constructor(journal: Pick<Journal, 'append'>, redact: <T>(data: T) => T, now: () => number = Date.now) {
    this.#journal = journal;
    this.#redact = redact;
    this.#now = now;
    this.#begun = now();
  }

  log(line: LogLine): void {
    const most = line.level === 'info' ? MOST_LINES : 2 * MOST_LINES;
    if (this.#lines >= most) this.#leftOut++;
    else this.#append('log', line);
    this.#lines++;
  }

  take(event: ConversionEvent): void {
    switch (event.type) {
      case 'findings':
        for (const finding of event.findings) this.#finding(finding);
        break;
      case 'disks':
        this.#bytesBefore += this.#bytes;
        this.#bytes = 0;
        this.#disks.clear();
        this.#append('disks', { disks: event.disks });
        break;
      case 'disk':
        if (this.#verifying) this.#verified(event.id, event.status);
        else this.#disk(event.id, event.status);
        break;
      case 'progress':
        if (event.verifying !== true) this.#progress(event.disks);
        break;
      case 'digest': {
        const { disk, algorithm, value } = event;
        this.#append('digest', { disk, algorithm, value });
        break;
      }
      case 'verifying':
        this.#verifying = true;
        break;
      case 'leftovers':
        for (const leftover of event.leftovers) this.#append('leftover', { leftover });
        break;
      case 'pass':
        this.#append('pass', { pass: event.pass });
        break;
      case 'changes':
        // One a line, so that no line grows too long.
        for (const change of event.changes) this.#append('change', { change });
        break;
    }
  }

  /** The last point, disks that were not read to their end, and how much of the log is missing. */
  end(): void {
    if (this.#point !== undefined && this.#point.bytes !== this.#total) this.#addPoint(this.#now());
    for (const [id, disk] of [...this.#ended, ...this.#disks])
      if (disk.beganAt !== undefined) this.#writeDisk(id, disk);
    if (this.#leftOut > 0) this.#append('left-out', { lines: this.#leftOut });
  }

  get #total(): number {
    return this.#bytesBefore + this.#bytes;
  }

  #finding(finding: Finding): void {
    const key = JSON.stringify(finding);
    if (this.#findings.has(key) || this.#findings.size >= MOST_FINDINGS) return;
    this.#findings.add(key);
    this.#append('finding', { finding });
  }

  #disk(id: string, status: 'running' | 'done'): void {
    const disk = this.#diskOf(id);
    if (status === 'running') disk.beganAt = this.#now();
    else {
      disk.seconds = this.#secondsOf(disk);
      this.#ended.push([id, disk]);
    }
  }

  #verified(id: string, status: 'running' | 'done'): void {
    if (status === 'running') this.#verifyBegun = this.#now();
    else this.#append('verified', { id, seconds: (this.#now() - this.#verifyBegun) / 1000 });
  }

  #progress(disks: readonly { readonly id: string; readonly bytesDone: number }[]): void {
    for (const { id, bytesDone } of disks) this.#diskOf(id).bytes = bytesDone;
    for (const [id, disk] of this.#ended.splice(0)) this.#writeDisk(id, disk);
    this.#bytes = disks.reduce((sum, { bytesDone }) => sum + bytesDone, 0);
    const now = this.#now();
    const apart = Math.max(APART, (now - this.#begun) / POINTS);
    if (this.#point === undefined || now - this.#point.at >= apart) this.#addPoint(now);
  }

  #addPoint(at: number): void {
    this.#point = { at, bytes: this.#total };
    this.#append('progress', { bytes: this.#total });
  }

  #writeDisk(id: string, disk: DiskRecord): void {
    const whole = disk.seconds !== undefined;
    const line = { id, bytes: disk.bytes, seconds: this.#secondsOf(disk), whole };
    const text = JSON.stringify(line);
    // Once more at the end only where the last bytes were counted after it was done.
    if (disk.written === text) return;
    disk.written = text;
    this.#append('disk', line);
  }

  readonly #secondsOf = ({ beganAt, seconds }: DiskRecord): number =>
    seconds ?? (this.#now() - (beganAt ?? this.#now())) / 1000;

  #diskOf(id: string): DiskRecord {
    const known = this.#disks.get(id);
    if (known !== undefined) return known;
    const disk: DiskRecord = { bytes: 0 };
    this.#disks.set(id, disk);
    return disk;
  }

  #append(type: string, data: object): void {
    this.#journal.append({ type, ...this.#redact(data) });
  }
}
