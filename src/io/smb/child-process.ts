/** The process that speaks SMB, and the requests that are under way in it: it answers them in their order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type Request, smbProgram } from './child-program.ts';

const libraries = ['libsmbclient.so.0'];
const mostHeaderBytes = 64 * MiB;

/** What a bundler's helpers may be called in a function's text. */
const program = `'use strict';
const __name = (f) => f;
process.on('SIGINT', () => {});
(${smbProgram.toString()})(require(process.argv[1]), require('node:fs'), JSON.parse(process.argv[2]));`;

export type Answer = Readonly<Record<string, unknown>>;

interface Pending {
  resolve(answer: { readonly header: Answer; readonly count: number }): void;
  reject(error: AppError): void;
  /** Where the answer's bytes go; undefined when nobody waits for them any more. */
  target: Uint8Array | undefined;
  readonly most: number;
}

export interface CallOptions {
  /** Bytes that go along. */
  readonly bytes?: Uint8Array;
  /** Where the answer's bytes go. */
  readonly target?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

export class SmbProcess {
  readonly #child: ChildProcess;
  readonly #where: string;
  readonly #limitMs: number;
  readonly #pending: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;
  #ended: AppError | undefined;
  // What of an answer has come: its lengths and header, then its bytes.
  #head: Buffer = Buffer.alloc(0);
  #header: Answer | undefined;
  #left = 0;
  #count = 0;

  /** `limitMs`: how long one request may take. @throws AppError `unsupported`. */
  constructor(where: string, limitMs: number) {
    this.#where = where;
    this.#limitMs = limitMs;
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.#child = spawn(process.execPath, ['-e', program, koffiPath(), JSON.stringify(libraries)], {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      env,
      windowsHide: true,
    });
    this.#child.stdin!.on('error', () => undefined); // its end is told by `exit`
    this.#child.stdio[3]!.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#child.on('error', (error) =>
      this.end(this.#lost('the helper for SMB could not be started', error)),
    );
    this.#child.on('exit', (code, signal) =>
      this.end(this.#lost(`the helper for SMB ended with ${signal ?? code}`)),
    );
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** @throws AppError `unreachable` when it ended or does not answer, `cancelled`. */
  async call(
    request: Request,
    options: CallOptions = {},
  ): Promise<{ readonly header: Answer; readonly count: number }> {
    const { bytes, target, signal } = options;
    if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
    if (this.#ended !== undefined) throw this.#ended;
    const header = Buffer.from(JSON.stringify(request));
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(header.length, 0);
    lengths.writeUInt32LE(bytes?.length ?? 0, 4);
    let abandon: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const pending: Pending = { resolve, reject, target, most: target?.length ?? 0 };
        abandon = () => {
          pending.target = undefined;
          reject(new AppError('cancelled', 'cancelled', { cause: signal?.reason }));
        };
        signal?.addEventListener('abort', abandon, { once: true });
        this.#pending.push(pending);
        if (this.#pending.length === 1) this.#watch();
        this.#child.stdin!.write(Buffer.concat([lengths, header]));
        if (bytes !== undefined && bytes.length > 0) this.#child.stdin!.write(bytes);
      });
    } finally {
      if (abandon !== undefined) signal?.removeEventListener('abort', abandon);
    }
  }

  /** Kills it; what is under way fails with `error`. Safe at any time. */
  end(
    error: AppError = new AppError('cancelled', 'the connection was closed', { where: this.#where }),
  ): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#timer);
    // A call that hangs knows no other end.
    this.#child.kill('SIGKILL');
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  #lost(message: string, cause?: unknown): AppError {
    return new AppError('unreachable', message, { where: this.#where, cause });
  }

  /** The one that is done now has this long. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#pending.length === 0) return;
    this.#timer = setTimeout(() => {
      this.end(this.#lost(`no answer within ${this.#limitMs / 1000} s`));
    }, this.#limitMs);
  }

  #received(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0 && this.#ended === undefined; ) {
      rest = this.#header === undefined ? this.#takeHead(rest) : this.#takeBytes(rest);
      if (this.#header !== undefined && this.#left === 0) this.#answered(this.#header);
    }
  }

  /** Resolves to what is behind the header. */
  #takeHead(chunk: Buffer): Buffer {
    const bytes = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
    this.#head = bytes;
    if (bytes.length < 8) return Buffer.alloc(0);
    const length = bytes.readUInt32LE(0);
    const left = bytes.readUInt32LE(4);
    if (length > mostHeaderBytes || left > (this.#pending[0]?.most ?? 0)) {
      this.end(new AppError('bug', `the helper for SMB answers with ${length} and ${left} bytes`));
      return Buffer.alloc(0);
    }
    if (bytes.length < 8 + length) return Buffer.alloc(0);
    this.#header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Answer;
    this.#left = left;
    this.#count = 0;
    this.#head = Buffer.alloc(0);
    return bytes.subarray(8 + length);
  }

  #takeBytes(chunk: Buffer): Buffer {
    const part = chunk.subarray(0, this.#left);
    this.#pending[0]?.target?.set(part, this.#count);
    this.#count += part.length;
    this.#left -= part.length;
    return chunk.subarray(part.length);
  }

  #answered(header: Answer): void {
    this.#header = undefined;
    this.#pending.shift()?.resolve({ header, count: this.#count });
    this.#watch();
  }
}

/** @throws AppError `unsupported` when it is not there for this computer. */
function koffiPath(): string {
  if (process.env.VMFERRY_NATIVE === 'off')
    throw new AppError(
      'unsupported',
      'libraries of the system are turned off (VMFERRY_NATIVE=off), SMB needs one',
    );
  if (process.platform !== 'linux')
    throw new AppError('unsupported', 'SMB is spoken on Linux only, by the library of Samba', {
      hint: 'reach the files in another way: over SSH (SFTP)',
    });
  try {
    return createRequire(import.meta.url).resolve('koffi');
  } catch (error) {
    throw new AppError(
      'unsupported',
      'the package koffi is not installed, by which the library of SMB is called',
      {
        hint: 'install vmferry with its optional packages',
        cause: error,
      },
    );
  }
}
