/** Stores of a test's own with kept copies in them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keptPlugin } from '../../../src/env-plugins/kept/index.ts';
import { copyFileName, copyId, formatCopy, type KeptCopy } from '../../../src/env-plugins/kept-copy.ts';
import { connectFor } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';

export const run = '20260301-120000-abcd';

export const copyOf = (change: Partial<KeptCopy> = {}): KeptCopy => ({
  version: 1,
  run,
  stage: 'extracted',
  title: 'web to qcow2',
  keptAt: '2026-03-01T12:00:05.000Z',
  source: { environment: 'libvirt', settings: { host: 'lab' }, machine: '7f0c' },
  machine: {
    ...{ id: '7f0c', name: 'web', state: 'running', memoryBytes: 1024, nics: [{ mac: '00:16:3e:00:00:01' }] },
    firmware: { kind: 'uefi', nvram: true },
    disks: [{ id: 'vda', name: 'web.img', bus: 'virtio', files: ['/elsewhere/web.img'] }],
    snapshots: [{ name: 'before' }],
    findings: [],
  },
  disks: [
    { id: 'vda', file: 'web.raw', format: 'raw', virtualSizeBytes: 100_000, allocatedSizeBytes: 100_000 },
  ],
  files: [{ name: 'web.raw', bytes: 100_000 }],
  whole: true,
  ...change,
});

export const content = Buffer.alloc(100_000, 'kept');

export async function putCopy(store: string, copy: KeptCopy | string, id = idOf(copy)): Promise<string> {
  const folder = join(store, id);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'web.raw'), content);
  await writeFile(join(folder, copyFileName), typeof copy === 'string' ? copy : formatCopy(copy));
  return folder;
}

const idOf = (copy: KeptCopy | string): string =>
  typeof copy === 'string' ? `${run}-extracted` : copyId(copy);

export const connectKept = (folder: string) => connectFor(keptPlugin({ folder: async () => folder }), {});

export async function storeWithOne(): Promise<string> {
  const store = join(await tempFolder(), 'kept');
  await putCopy(store, copyOf());
  return store;
}
