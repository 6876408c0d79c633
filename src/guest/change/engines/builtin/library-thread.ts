/**
 * A filesystem library of WebAssembly in a thread of its own, which ends with one filesystem: it may run out of memory
 * or loop on a broken volume. It asks for the disk's bytes through memory that both share, and waits for them there:
 * one of the libraries can't wait in any other way.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { cancelledBy, onAbort } from '../../../../io/host/abort-watch.ts';
import type { WritableDisk } from '../../../../io/writable-disk.ts';
import { AppError, toAppError } from '../../../../model/errors.ts';
import { BlockCache } from './block-cache.ts';

/** One call of the library without a word to the disk. Milliseconds. */
const patienceMs = 60_000;
/** Of the disk during one call, which writes a mebibyte at most. */
const mostRequests = 1_000_000;
export const pieceBytes = 2 ** 20;
/** The library has ended in the middle of something: nothing more can be done with it. */
const crash = /^Aborted|^unreachable|memory access|out of bounds/;
const headBytes = 4096;

/** What is put before each library's code: `ask` reads and writes the disk, `serve` answers calls. */
const prelude = `
const { parentPort, workerData: w } = require('node:worker_threads');
const control = new Int32Array(w.shared, 0, 1);
const shared = new Uint8Array(w.shared, ${headBytes});
function ask(kind, bytes, offset) {
  for (let at = 0; at < bytes.length; at += shared.length) {
    const part = bytes.subarray(at, at + shared.length);
    if (kind === 'write') shared.set(part);
    Atomics.store(control, 0, 0);
    parentPort.postMessage({ kind, offset: offset + at, length: part.length });
    // A notice of the answer before may come late.
    while (Atomics.load(control, 0) === 0) Atomics.wait(control, 0, 0);
    if (Atomics.load(control, 0) !== 1) throw new Error('the disk failed');
    if (kind === 'read') part.set(shared.subarray(0, part.length));
  }
}
function serve(calls) {
  parentPort.on('message', async ({ id, name, args }) => {
    try {
      parentPort.postMessage({ id, value: await calls[name](...args) });
    } catch (error) {
      parentPort.postMessage({ id, failed: { code: error?.code, number: error?.errno, message: String(error?.message ?? error) } });
    }
  });
}
`;

/** What a library says when it fails. */
export interface LibraryFailure {
  readonly code?: string;
  readonly number?: number;
  readonly message: string;
}

interface Message {
  readonly id?: number;
  readonly value?: unknown;
  readonly failed?: LibraryFailure;
  readonly kind?: 'read' | 'write';
  readonly offset: number;
  readonly length: number;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export interface LibraryThreadOptions {
  /** The npm package. */
  readonly library: 'ext2fs' | 'js-fatfs';
  readonly source: string;
  /** What the source finds in `w`. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly disk: WritableDisk;
  readonly volume: string;
  readonly signal: AbortSignal;
  inWords(failure: LibraryFailure): AppError;
}

export class LibraryThread {
  readonly #options: LibraryThreadOptions;
  readonly #worker: Worker;
  readonly #cache: BlockCache;
  readonly #shared = new SharedArrayBuffer(headBytes + pieceBytes);
  #pending: Pending | undefined;
  #requests = 0;
  #calls = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Why nothing more can be done with it; the disk's own error rather than the library's word for it. */
  #failure: AppError | undefined;
  readonly #unwatch: () => void;

  constructor(options: LibraryThreadOptions) {
    this.#options = options;
    this.#cache = new BlockCache(options.disk, options.signal);
    const path = createRequire(import.meta.url).resolve(options.library);
    const workerData = { shared: this.#shared, path, ...options.data };
    // What a library prints is nobody's business here.
    const streams = { stdout: true, stderr: true };
    this.#worker = new Worker(prelude + options.source, { eval: true, workerData, ...streams });
    this.#worker.on('message', (message: Message) => this.#heard(message));
    this.#worker.on('error', (error) => this.#fail(this.#broken(String(error?.message ?? error), error)));
    this.#worker.on('exit', () => this.#fail(this.#broken('it has ended by itself')));
    this.#unwatch = onAbort(options.signal, () => this.#fail(cancelledBy(options.signal)));
  }

  /** One at a time. @throws AppError. */
  async call<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#options.signal.aborted) throw cancelledBy(this.#options.signal);
    this.#requests = 0;
    this.#beAlert();
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#pending = { resolve: resolve as (value: unknown) => void, reject };
        this.#worker.postMessage({ id: ++this.#calls, name, args });
      });
    } finally {
      clearTimeout(this.#timer);
      this.#pending = undefined;
    }
  }

  /** Everything that was written goes to the disk. */
  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#cache.flush();
  }

  /** Safe to be called twice. */
  async end(): Promise<void> {
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #heard(message: Message): void {
    this.#beAlert();
    if (message.kind !== undefined) return void this.#answer(message.kind, message.offset, message.length);
    const { failed } = message;
    if (failed === undefined) return this.#pending?.resolve(message.value);
    if (crash.test(failed.message)) return this.#fail(this.#broken(failed.message));
    this.#pending?.reject(this.#failure ?? this.#options.inWords(failed));
  }

  async #answer(kind: 'read' | 'write', offset: number, length: number): Promise<void> {
    clearTimeout(this.#timer);
    const control = new Int32Array(this.#shared, 0, 1);
    let result = 1;
    try {
      if (++this.#requests > mostRequests) throw this.#looping(`${mostRequests} reads and writes`);
      if (offset < 0 || offset + length > this.#cache.size)
        throw new AppError('corrupt', `its structures lead past its end, to offset ${offset}`, {
          where: this.#options.volume,
        });
      const bytes = new Uint8Array(this.#shared, headBytes, length);
      await (kind === 'read' ? this.#cache.read(bytes, offset) : this.#cache.write(bytes, offset));
    } catch (error) {
      this.#failure ??= toAppError(error);
      result = 2;
    }
    if (this.#pending !== undefined) this.#beAlert();
    Atomics.store(control, 0, result);
    Atomics.notify(control, 0);
  }

  #beAlert(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(this.#looping(`${patienceMs / 1000} s`)), patienceMs);
  }

  #looping = (limit: string): AppError =>
    new AppError('corrupt', `writing to it came to no end after ${limit}`, {
      where: this.#options.volume,
      hint: 'check the filesystem inside the guest, then try again',
    });

  #broken = (why: string, cause?: unknown): AppError => {
    const { library, volume } = this.#options;
    if (/OOM|out of memory/i.test(why))
      return new AppError('unsupported', 'the filesystem needs more memory than the built-in engine has', {
        where: volume,
        hint: 'install libguestfs-tools and choose that engine',
        cause,
      });
    return new AppError('bug', `${library} has failed: ${why}`, { where: volume, cause });
  };

  #fail(error: AppError): void {
    this.#failure ??= error;
    this.#pending?.reject(this.#failure);
    void this.#worker.terminate();
  }
}
