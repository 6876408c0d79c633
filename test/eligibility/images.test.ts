/** Rules about partitions, formats and firmware, with real small images that break them and that do not. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vhdCodec } from '../../src/codecs/vhd/index.ts';
import { surveyMachine } from '../../src/convert/survey.ts';
import { judge } from '../../src/eligibility/judge.ts';
import { joinPacks } from '../../src/eligibility/packs.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { MiB } from '../../src/model/units.ts';
import { encodeToFile, writeRaw } from '../conformance/images.ts';
import { connectFor } from '../conformance/test-plugin.ts';
import { fixture, linuxData, putGpt, putMbr } from '../guest/disks.ts';
import { tempFolder } from '../temp.ts';

const never = new AbortController().signal;
const esp = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const { packs } = joinPacks();

interface Made {
  readonly size?: number;
  /** On the first partition of an MBR disk, or on the whole disk. */
  readonly volume?: (bytes: Buffer, at: number) => void;
  readonly table?: 'mbr' | 'gpt' | 'none';
  readonly id?: number;
  readonly format?: 'vhd';
}

function diskBytes({ size = 3 * MiB, volume = putExt, table = 'mbr', id = 0x83 }: Made): Buffer {
  const bytes = Buffer.alloc(size);
  if (table === 'mbr') {
    putMbr(bytes, [{ status: 0x80, id, start: 2048, length: 2048 }]);
    bytes.write('GRUB', 0x180);
  }
  if (table === 'gpt')
    putGpt(bytes, [
      { type: linuxData, start: 2048, end: 4095 },
      { type: esp, start: 4096, end: 4599 },
    ]);
  volume(bytes, table === 'none' ? 0 : MiB);
  return bytes;
}

const putExt = (bytes: Buffer, at: number) => void fixture('ext4.img').copy(bytes, at);
const putText = (text: string, offset: number) => (bytes: Buffer, at: number) =>
  void bytes.write(text, at + offset, 'latin1');
function putDirtyExt(bytes: Buffer, at: number): void {
  putExt(bytes, at);
  // s_state: it was not unmounted.
  bytes.writeUInt16LE(0, at + 1024 + 58);
}

/** The rules that hold of an image with these disks. */
async function rulesOf(made: Made): Promise<string[]> {
  const folder = await tempFolder();
  const raw = await writeRaw(join(folder, 'd.raw'), diskBytes(made));
  const path =
    made.format === 'vhd'
      ? (await encodeToFile(vhdCodec, raw, join(folder, 'd.vhd')))[0]!
      : join(folder, 'd.raw');
  const session = await connectFor(localPlugin({ imageExtensions: ['raw', 'vhd'] }), { folders: folder });
  try {
    const machine = await session.source!.inspect(path, never);
    const survey = await surveyMachine(session, machine, { follow: false }, never);
    return judge(survey, packs).flatMap(({ findings }) => findings.map(({ rule }) => rule));
  } finally {
    await session.close();
  }
}

const cases: readonly (readonly [rule: string, breaks: Made, keeps: Made])[] = [
  ['kvm.no-table', { table: 'none' }, {}],
  ['kvm.dirty', { volume: putDirtyExt }, {}],
  ['aws.encrypted', { volume: putText('-FVE-FS-', 3) }, {}],
  ['kvm.bitlocker', { volume: putText('-FVE-FS-', 3) }, {}],
  ['kvm.dynamic-disk', { id: 0x42 }, {}],
  ['azure.swap', { volume: putText('SWAPSPACE2', 4086) }, {}],
  ['azure.whole-mebibytes', { size: 3 * MiB + 512 }, {}],
  ['azure.disk-format', {}, { format: 'vhd' }],
  ['hyperv-gen1.starts-by', { table: 'gpt' }, {}],
  ['hyperv-gen2.starts-by', {}, { table: 'gpt' }],
  ['aws.fallback-loader', { table: 'gpt' }, {}],
  ['uml.partitions', {}, { table: 'none' }],
  ['gcp.arm', {}, { volume: () => undefined }],
];

it.each(cases)('%s', async (rule, breaks, keeps) => {
  expect(await rulesOf(breaks)).toContain(rule);
  expect(await rulesOf(keeps)).not.toContain(rule);
});
