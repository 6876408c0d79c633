import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { makeSample, sampleDisk, sampleLine } from '../../../scripts/make-sample.ts';
import { vmdkCodec } from '../../../src/codecs/vmdk/index.ts';
import { readBytes, windowOf } from '../../../src/io/byte-source.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { MiB } from '../../../src/model/units.ts';
import { parseDescriptor } from '../../../src/packages/ovf/descriptor.ts';
import { parseManifest, verifyManifest } from '../../../src/packages/ovf/manifest.ts';
import { readTarIndex } from '../../../src/packages/ovf/tar.ts';
import { tempFolder } from '../../temp.ts';

const committed = new URL('../../../samples/vmferry-sample.ova', import.meta.url);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('the sample is small, the same each time, and reads as what it was made from', async () => {
  const path = await makeSample(await tempFolder());
  const again = await makeSample(await tempFolder());
  expect(sha256(await readFile(path))).toBe(sha256(await readFile(again)));
  expect((await stat(path)).size).toBeLessThan(MiB);
  await checkSampleFile(path);
});

it('the sample that is kept is as the script makes it', async () => {
  await checkSampleFile(committed.pathname);
});

async function checkSampleFile(path: string): Promise<void> {
  const source = await fileSource(path);
  const { members, findings } = await readTarIndex(source);
  expect(findings).toEqual([]);
  const open = async (name: string) => {
    const found = members.find((m) => m.name === name);
    return found && windowOf(source, found.offset, found.size, name);
  };
  const bytesOf = async (name: string) => {
    const part = (await open(name))!;
    return readBytes(part, 0, part.size);
  };
  await verifyManifest(parseManifest(await bytesOf('vmferry-sample.mf'), 'mf'), open);
  const read = parseDescriptor(await bytesOf('vmferry-sample.ovf'), 'ovf');
  expect([...read.findings, ...read.machines[0]!.findings]).toEqual([]);
  expect(read.machines[0]).toMatchObject({
    name: 'vmferry-sample',
    processors: { count: 1 },
    memoryBytes: 64 * MiB,
    firmware: { kind: 'bios' },
    nics: [{ model: 'e1000', network: 'VM Network' }],
  });
  const [disk] = read.machines[0]!.disks;
  const none = async () => Promise.reject(new Error('the disk is one file'));
  const image = await vmdkCodec.open((await open(disk!.files[0]!))!, { sibling: none, parent: none });
  expect(image.size).toBe(disk!.virtualSizeBytes);
  const content = Buffer.alloc(image.size);
  for (let at = 0; at < image.size; at += MiB) await image.read(content.subarray(at, at + MiB), at);
  expect(content.equals(sampleDisk())).toBe(true);
  expect(content.includes(sampleLine)).toBe(true);
  await source.close();
}
