/**
 * One machine's disks through an export lease: each a streamOptimized VMDK that is read once, from its start to its
 * end. One lease serves all that are open at a time. It belongs to the session: when that ended, another is taken.
 */
import type { Download } from '../../../io/https/download.ts';
import type { Tell } from '../../../io/retrying.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { Lease, type LeaseDevice, type ReachHost } from '../lease.ts';
import { ofObject } from '../properties.ts';
import type { VimSession } from '../session.ts';
import { type Ref, refOf } from '../soap.ts';

export interface ExportOptions {
  readonly session: VimSession;
  readonly reach: ReachHost;
  readonly vm: Ref;
  /** The snapshot that holds it; undefined for a machine that is off. */
  readonly snapshot: Ref | undefined;
  /** Nobody uses it any more. */
  ended(): void;
  readonly tell?: Tell | undefined;
}

interface Current {
  readonly lease: Lease;
  readonly ref: Ref;
  /** Of the session that it belongs to. */
  readonly cookie: string;
}

/** A disk that is being read. */
export interface Reader {
  readonly expectedBytes: number;
  takenBytes: number;
  /** To its end. */
  whole: boolean;
}

const step = 'exporting the machine';
const silenceMs = 5 * 60_000;

export class MachineExport {
  readonly #options: ExportOptions;
  readonly #readers = new Set<Reader>();
  #current: Promise<Current> | undefined;
  #open = 0;

  constructor(options: ExportOptions) {
    this.#options = options;
  }

  /** Every one is to be let go with `leave`. */
  enter(expectedBytes: number): Reader {
    const reader: Reader = { expectedBytes, takenBytes: 0, whole: false };
    this.#readers.add(reader);
    this.#open++;
    return reader;
  }

  /** The last one ends the lease: well when all were read to their ends. Never throws. */
  async leave(): Promise<void> {
    this.#open--;
    if (this.#open > 0) return;
    this.#options.ended();
    const current = await this.#current?.catch(() => undefined);
    this.#current = undefined;
    if (current === undefined) return;
    const { lease } = current;
    // All bytes are here already: a lease that can't be completed is only to be ended.
    if ([...this.#readers].every(({ whole }) => whole)) await lease.complete().catch(() => lease.abort());
    else await lease.abort();
  }

  /** Whatever is still open loses its lease. Never throws. */
  async stop(): Promise<void> {
    await this.#current?.then(
      ({ lease }) => lease.abort(),
      () => undefined,
    );
  }

  /** A disk from its beginning. @throws AppError `not-found` where the lease has no such disk. */
  async begin(
    find: (devices: readonly LeaseDevice[]) => LeaseDevice,
    signal: AbortSignal,
  ): Promise<Download> {
    for (let again = false; ; again = true) {
      const current = await this.#ready(signal);
      const { lease } = current;
      const device = find(lease.devices);
      const client = await lease.client(device);
      const download = await client.download({
        path: device.path,
        headers: lease.headers(client),
        step: 'reading an exported disk',
        // What holds zeros only is left out, and the host may look through it for long.
        timeoutMs: silenceMs,
        signal,
      });
      if (download.status === 200) return download;
      download.close();
      if (again || !(await this.#endedWithSession(current, signal)))
        throw refused(download.status, client.name);
      await this.#forget(current);
    }
  }

  get tellLog(): Tell | undefined {
    return this.#options.tell;
  }

  tell(): void {
    const readers = [...this.#readers];
    const of = (pick: (reader: Reader) => number) => readers.reduce((sum, reader) => sum + pick(reader), 0);
    const percent =
      (of((r) => r.takenBytes) /
        Math.max(
          1,
          of((r) => r.expectedBytes),
        )) *
      100;
    void this.#current?.then(
      ({ lease }) => lease.progress(percent),
      () => undefined,
    );
  }

  async #ready(signal: AbortSignal): Promise<Current> {
    const current = await this.#current?.catch(() => undefined);
    if (current?.lease.lost.aborted) {
      if (current.cookie === this.#options.session.cookie) throw current.lease.lost.reason;
      await this.#forget(current);
    } else if (current !== undefined) return current;
    this.#current ??= this.#take(signal).catch((error) => {
      this.#current = undefined;
      throw error;
    });
    return this.#current;
  }

  async #forget(current: Current): Promise<void> {
    this.#current = undefined;
    await current.lease.abort();
  }

  async #take(signal: AbortSignal): Promise<Current> {
    const { session, reach, vm, snapshot } = this.#options;
    const [method, of] = snapshot === undefined ? ['ExportVm', vm] : ['ExportSnapshot', snapshot];
    const [value] = await session.call(method as string, of as Ref, [], { step, signal });
    if (value === undefined) throw new AppError('corrupt', `${step}: the server gave no lease`);
    const ref = refOf(value);
    const { cookie } = session;
    return { lease: await Lease.ready(session, ref, { step, reach, signal }), ref, cookie };
  }

  /** Whether the lease is gone because its session is. @throws AppError `io` when it was ended otherwise. */
  async #endedWithSession({ ref, cookie }: Current, signal: AbortSignal): Promise<boolean> {
    const { session } = this.#options;
    try {
      const { values } = await ofObject(session, ref, ['state'], step, signal);
      if (values.get('state')?.text.trim() === 'ready') return false;
    } catch (error) {
      if (toAppError(error).kind !== 'not-found') throw error;
      await session.check(signal);
    }
    if (session.cookie !== cookie) return true;
    throw new AppError('io', `${step}: the server has ended the lease`, {
      where: session.client.name,
      hint: 'somebody cancelled its task there, or the host was restarted: run it again',
    });
  }
}

function refused(status: number, where: string): AppError {
  const kind = status === 502 || status === 503 || status === 504 ? 'unreachable' : 'io';
  return new AppError(kind, `reading an exported disk: the server answers HTTP ${status}`, { where });
}
