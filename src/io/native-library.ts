/**
 * Libraries of the system, called through koffi, large calls on the thread pool. Optional: where koffi or a library
 * is missing, or does not do what it should, callers have another way, and `doctor` tells.
 */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';

type Native = ((...args: unknown[]) => number | bigint) & {
  async(...args: unknown[]): void;
};
export interface Library {
  /** A function by its C prototype. @throws when the library has no such one. */
  func(prototype: string): Native;
  /** By its parts, where one of them is a structure. */
  func(name: string, result: unknown, args: readonly unknown[]): Native;
}

/** How a library's structures are described. */
export interface Structures {
  struct(members: Readonly<Record<string, string>>): unknown;
  pointer(type: unknown): unknown;
  /** Read by the library and written to. */
  inout(pointer: unknown): unknown;
}

/** Set to `off` where a library of the system is not to be trusted. */
const wanted = (): boolean => process.env.VMFERRY_NATIVE !== 'off';

export type LibraryNames = Partial<Record<NodeJS.Platform, readonly string[]>>;

/** The first of these that is there, or undefined. Loading takes some 10 ms. */
export const loadLibrary = (names: LibraryNames): Library | undefined => loadWithStructures(names)?.library;

export function loadWithStructures(
  names: LibraryNames,
): { library: Library; structures: Structures } | undefined {
  const candidates = names[process.platform] ?? [];
  if (!wanted() || candidates.length === 0) return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Structures & { load(name: string): Library };
    for (const name of candidates) {
      try {
        return { library: koffi.load(name), structures: koffi };
      } catch {
        // the next name
      }
    }
  } catch {
    // koffi is an optional package: not installed, or not for this computer
  }
  return undefined;
}

/** Loads at the first call, once; undefined where that can't be. */
export function atFirstUse<T>(load: () => T | undefined): () => T | undefined {
  let tried = false;
  let loaded: T | undefined;
  return () => {
    if (tried) return loaded;
    tried = true;
    try {
      loaded = load();
    } catch {
      // no koffi, no library, or a function is missing
    }
    return loaded;
  };
}

/** Calls on the thread pool. The buffers among `args` must stay untouched until it is done. */
export function callAsync(native: Native, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    native.async(...args, (error: unknown, result: number | bigint) => {
      args.length = 0; // until here they are held: the collector must not take a buffer that is being written to
      if (error === null || error === undefined) resolve(Number(result));
      else reject(error);
    });
  });
}

/** Work of the processor's own: more at once than there are processors only keeps file reads waiting. */
const lanes = 2 * availableParallelism();
let running = 0;
const waiting: (() => void)[] = [];

/** Runs `work` when a lane is free; they are for all of the program, as the thread pool is. */
export async function inLane<T>(work: () => Promise<T>): Promise<T> {
  if (running >= lanes) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

/** States of a library that serve one call at a time; as many are made as are in use at once. */
export class Contexts {
  readonly #free: unknown[] = [];
  readonly #make: () => unknown;

  constructor(make: () => unknown) {
    this.#make = make;
  }

  /** @throws Error when no context can be made. */
  async use<T>(work: (context: unknown) => Promise<T>): Promise<T> {
    const context = this.#free.pop() ?? this.#make();
    if (context === null || context === undefined) throw new Error('no memory for a compressor');
    try {
      return await work(context);
    } finally {
      this.#free.push(context);
    }
  }
}
