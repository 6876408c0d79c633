import { describe, expect, it } from 'vitest';
import type { OpenImage } from '../../src/codecs/codec.ts';
import { rawCodec } from '../../src/codecs/raw/index.ts';
import { DiskDigests } from '../../src/convert/disk-digests.ts';
import { makePlan } from '../../src/convert/make-plan.ts';
import { provide } from '../../src/convert/provide.ts';
import type { ExtractedDisk } from '../../src/convert/run-context.ts';
import type { Delivery } from '../../src/env-plugins/plugin.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import type { Machine } from '../../src/model/machine.ts';

const disk = { id: 'd1', name: 'd1', files: [] };
const machine: Machine = { id: 'm', name: 'web', state: 'off', disks: [disk], nics: [], findings: [] };
const image = (byte: number) => rawCodec.open(memorySource(Buffer.alloc(4096, byte)), {} as never);

async function delivered(made: (copied: OpenImage) => Promise<OpenImage>, adopts: boolean) {
  const copied = await image(1);
  const extracted: ExtractedDisk = {
    ...{ disk, image: await made(copied), bytesTotal: 4096 },
    copy: { path: '/copy', of: copied },
  };
  const plan = makePlan({
    source: { environment: 'x', settings: {}, machine: 'm', follow: false },
    ...{ machine, product: 'files', folder: '/out', options: {}, force: false, sync: false },
  });
  const told: string[] = [];
  const delivery = {
    sink: async () => ({
      ...{ name: 'web.raw', access: 'random' },
      write: async (bytes: Uint8Array) => void told.push(`write ${bytes[0]}`),
      finish: async () => undefined,
      abort: async () => undefined,
    }),
    adopt: async ({ path }: { path: string }) => {
      told.push(`adopt ${path}`);
      return adopts;
    },
  } as unknown as Delivery;
  const context = {
    ...{ connect: () => Promise.reject(new Error('none')), runId: 'r', signal: new AbortController().signal },
    ...{ gate: async () => undefined, emit: () => undefined },
  };
  const digests = new DiskDigests(plan, context);
  await provide(plan, [extracted], delivery, context, undefined, undefined, digests);
  return told;
}

describe('a copy that was made beforehand', () => {
  it('is moved, and read where it can not be', async () => {
    expect(await delivered(async (copied) => copied, true)).toEqual(['adopt /copy']);
    expect(await delivered(async (copied) => copied, false)).toEqual(['adopt /copy', 'write 1']);
  });

  it('is not what is delivered once its image was changed on the way', async () => {
    expect(await delivered(() => image(2), true)).toEqual(['write 2']);
  });
});
