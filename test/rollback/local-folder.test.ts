/** A folder of this computer: each call to its filesystem fails once, and nothing of the delivery is left. */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { destinationRole } from '../../src/env-plugins/local/destination.ts';
import { tempFolder } from '../temp.ts';
import { type Faults, faultySink } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

const at: { faults?: Faults | undefined } = vi.hoisted(() => ({}));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const step = <T>(name: string, work: () => Promise<T>): Promise<T> => at.faults?.step(name, work) ?? work();
  const faulty = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, key) {
        const own = Reflect.get(target, key);
        if (typeof own !== 'function') return own;
        const call = (...args: unknown[]) => own.apply(target, args);
        // What can't be closed is closed by nobody else.
        return key === 'close' ? call : (...args: unknown[]) => step(String(key), () => call(...args));
      },
    });
  const names = ['link', 'lstat', 'mkdir', 'readdir', 'rename', 'rm', 'rmdir', 'stat'] as const;
  const wrapped = names.map((name) => [
    name,
    (...args: unknown[]) => step(name, () => (real[name] as (...a: unknown[]) => Promise<unknown>)(...args)),
  ]);
  const open = async (...args: Parameters<typeof real.open>) => {
    let made: FileHandle | undefined;
    try {
      return await step('open', async () => {
        made = await real.open(...args);
        return faulty(made);
      });
    } catch (error) {
      await made?.close();
      throw error;
    }
  };
  return { ...real, ...Object.fromEntries(wrapped), open };
});

const files = { 'a.raw': Buffer.from('new a'), 'b.raw': Buffer.from('new b') };

async function scenes(old: Record<string, string>, below: string): Promise<() => Promise<Scene>> {
  const top = await tempFolder();
  const settings = { folder: join(top, below) };
  return async () => {
    at.faults = undefined;
    fill(top, old);
    return {
      files,
      async begin(faults, signal) {
        at.faults = faults;
        const request = requestOf({ settings, force: true, sync: true, signal });
        const delivery = await destinationRole().begin(request);
        return { ...delivery, sink: async (file) => faultySink(await delivery.sink(file), faults) };
      },
      there: async () => treeOf(top),
      run: runHere,
    };
  };
}

it('leaves neither files nor the folders that were made', async () => {
  const steps = await sweep(await scenes({}, 'new/folder'), { every: 2 });
  expect(steps.filter((step) => step === 'rename')).toHaveLength(2);
});

it('puts back what was replaced', async () => {
  const steps = await sweep(await scenes({ 'a.raw': 'old a', 'b.raw': 'old b', other: 'other' }, '.'), {
    every: 2,
  });
  expect(steps.filter((step) => step === 'link')).toHaveLength(2);
});
