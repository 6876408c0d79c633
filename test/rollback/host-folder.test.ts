/** A folder of a host: each step of a delivery to it fails, and nothing of it is left there. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hostDelivery } from '../../src/env-plugins/host-delivery.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import { tempFolder } from '../temp.ts';
import { faultyHost } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

const files = { 'a.raw': Buffer.from('new a'), "it's b.raw": Buffer.from('new b') };

async function folderScene(old: Record<string, string>, below: string): Promise<() => Promise<Scene>> {
  const top = await tempFolder();
  return async () => {
    fill(top, old);
    return {
      files,
      begin: (faults, signal) =>
        hostDelivery(faultyHost(localHost(), faults), join(top, below), requestOf({ force: true, signal })),
      there: async () => treeOf(top),
      run: runHere,
    };
  };
}

it('leaves neither files nor the folders that were made', async () => {
  const steps = await sweep(await folderScene({}, 'new/folder'));
  expect(steps.filter((step) => step === 'rename')).toHaveLength(2);
});

it('puts back what was replaced', async () => {
  const old = { 'a.raw': 'old a', "it's b.raw": 'old b', other: 'other' };
  const steps = await sweep(await folderScene(old, '.'));
  expect(steps.filter((step) => step === 'rename')).toHaveLength(4);
});
