import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openMachineDisk } from '../../src/convert/open-machine.ts';
import { sourceRole } from '../../src/env-plugins/local/source.ts';
import type { Machine } from '../../src/model/machine.ts';
import { descriptorXml, guidOf, parallelsFile } from '../codecs/parallels-images.ts';
import { randomBytes } from '../conformance/random.ts';
import { tempFolder } from '../temp.ts';

it('a Parallels bundle is one machine, listed and opened as its folder', async () => {
  const folder = await tempFolder();
  const path = join(folder, 'Windows 11.hdd');
  await mkdir(path);
  const bytes = randomBytes(65536, 1);
  await writeFile(join(path, 'a.hds'), parallelsFile({ size: bytes.length, clusters: [bytes] }));
  const guid = guidOf(0);
  const xml = descriptorXml({
    size: bytes.length,
    top: guid,
    shots: [{ guid }],
    images: [{ guid, file: 'a.hds' }],
  });
  await writeFile(join(path, 'DiskDescriptor.xml'), xml);
  const { signal } = new AbortController();
  const source = sourceRole([folder], ['hdd', 'hds']);
  const found: Machine[] = [];
  await source.list({ signal, found: (machine) => void found.push(machine) });
  expect(found.map((m) => [m.id, m.name])).toEqual([[path, 'Windows 11']]);
  const machine = await source.inspect(path, signal);
  expect(machine).toEqual(found[0]);
  const session = { source, close: async () => undefined };
  const options = { signal, runId: 'test' };
  const disk = await openMachineDisk(session, { machine: path, follow: false }, machine, 'disk0', options);
  const read = Buffer.alloc(disk.size);
  await disk.read(read, 0);
  expect(read.equals(bytes)).toBe(true);
  await disk.close();
});
