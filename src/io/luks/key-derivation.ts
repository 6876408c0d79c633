/** From a passphrase to the key of a key slot: PBKDF2 by Node, Argon2 by WebAssembly in a thread of its own. */
import { pbkdf2 } from 'node:crypto';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { AppError } from '../../model/errors.ts';
import type { KeyDerivation } from './header2.ts';
import { knownHash } from './stripes.ts';

const pbkdf2Async = promisify(pbkdf2);
/** A passphrase takes a second or two with some millions; more only keeps a processor busy for hours. */
const mostIterations = 100_000_000;
/** cryptsetup chooses up to 1 GiB by itself; WebAssembly's memory ends at 4 GiB. */
const mostMemoryKiB = 2 * 2 ** 20;
/** Passes over that memory, all in all: some minutes. */
const mostWorkKiB = 128 * 2 ** 20;

/** @throws AppError `unsupported` when it would take too long or too much memory; `cancelled`. */
export async function derivedKey(
  passphrase: Buffer,
  kdf: KeyDerivation,
  keyBytes: number,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const salt = Buffer.from(kdf.salt, 'base64');
  if (kdf.type === 'pbkdf2') {
    if (kdf.iterations > mostIterations) throw tooMuch(`${kdf.iterations} iterations of PBKDF2`, where);
    return pbkdf2Async(passphrase, salt, kdf.iterations, keyBytes, knownHash(kdf.hash, where));
  }
  const { time, memory, cpus, type } = kdf;
  const tooSmall = salt.length < 8 || memory < 8 * cpus || cpus > 255;
  if (memory > mostMemoryKiB || time * memory > mostWorkKiB || tooSmall)
    throw tooMuch(`${type} with ${memory} KiB, ${time} passes and ${cpus} lanes`, where);
  return argon2({ type, passphrase, salt, time, memory, cpus, keyBytes }, signal);
}

const tooMuch = (what: string, where: string) =>
  new AppError('unsupported', `${what} for one passphrase`, { where });

interface Argon2Request {
  readonly type: 'argon2i' | 'argon2id';
  readonly passphrase: Buffer;
  readonly salt: Buffer;
  readonly time: number;
  readonly memory: number;
  readonly cpus: number;
  readonly keyBytes: number;
}

const inThread = `
const { parentPort, workerData: w } = require('node:worker_threads');
require(w.library)[w.type]({
  password: w.passphrase, salt: w.salt, iterations: w.time, memorySize: w.memory,
  parallelism: w.cpus, hashLength: w.keyBytes, outputType: 'binary',
}).then(
  (key) => parentPort.postMessage({ key }),
  (error) => parentPort.postMessage({ failed: String(error?.message ?? error) }),
);
`;

/** It takes a second or more at a stretch: in a thread of its own a cancel ends it. */
async function argon2(request: Argon2Request, signal: AbortSignal | undefined): Promise<Buffer> {
  const library = createRequire(import.meta.url).resolve('hash-wasm');
  const worker = new Worker(inThread, { eval: true, workerData: { library, ...request } });
  let stop: (() => void) | undefined;
  try {
    const { key, failed } = await new Promise<{ key?: Uint8Array; failed?: string }>((resolve, reject) => {
      stop = () => reject(new AppError('cancelled', 'cancelled'));
      signal?.addEventListener('abort', stop, { once: true });
      worker.once('message', resolve);
      worker.once('error', reject);
      if (signal?.aborted) stop();
    });
    if (key !== undefined) return Buffer.from(key);
    throw new AppError('io', `${request.type} with ${request.memory} KiB of memory failed: ${failed}`, {
      hint: 'it needs that much free memory',
    });
  } finally {
    if (stop !== undefined) signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
