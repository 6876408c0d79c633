import { describe, expect, it } from 'vitest';
import { baseChecksum } from '../../../src/guest/formats/registry/layout.ts';
import { marvin32 } from '../../../src/guest/formats/registry/marvin32.ts';
import { openHive, walkKeys } from '../../../src/guest/formats/registry/open-hive.ts';
import { numberOfValue, textOfValue, textsOfValue } from '../../../src/guest/formats/registry/values.ts';
import { AppError } from '../../../src/model/errors.ts';
import { randomNumbers } from '../../conformance/random.ts';
import { baseBytes, HiveMaker, logEntry } from './make-hive.ts';

function sample(): Buffer {
  const maker = new HiveMaker();
  const segment = (fill: number, length: number) => maker.cell(Buffer.alloc(length, fill));
  const parts = maker.words(segment(1, 16344), segment(2, 16344), segment(3, 100));
  const header = Buffer.from('6462030000000000', 'hex');
  header.writeUInt32LE(parts, 4);
  const big = maker.value('Big', 3, 16344 * 2 + 100, maker.cell(header));
  const small = maker.value('Start', 4, 0x80000004, 3);
  const text = maker.value('', 1, 6, maker.cell(Buffer.from('ab\0', 'utf16le')));
  const multi = Buffer.from('one\0two\0\0', 'utf16le');
  const many = maker.value('Many', 7, multi.length, maker.cell(multi));
  const odd = maker.value('Odd', 0xffff0012, 0x80000002, 7);
  const leafs = Array.from({ length: 4 }, (_, i) => maker.key(`Leaf${i}`));
  const list = maker.list('ri', [maker.list('li', leafs.slice(0, 2)), maker.list('lh', leafs.slice(2))]);
  const inner = maker.key('Services', { list, count: 4, values: [big, small, text, many, odd] });
  return maker.finish(maker.key('root', { root: true, list: maker.list('lf', [inner]), count: 1 }));
}

describe('registry', () => {
  it('reads lists of lists, big data and each type', async () => {
    const hive = await openHive(sample());
    const key = (await hive.key('SERVICES'))!;
    expect((await key.subkeys()).map((k) => k.name)).toEqual(['Leaf0', 'Leaf1', 'Leaf2', 'Leaf3']);
    const big = (await key.value('big'))!;
    expect(
      big.data.equals(Buffer.concat([Buffer.alloc(16344, 1), Buffer.alloc(16344, 2), Buffer.alloc(100, 3)])),
    ).toBe(true);
    expect(numberOfValue((await key.value('start'))!)).toBe(3);
    expect(textOfValue((await key.value(''))!)).toBe('ab');
    expect(textsOfValue((await key.value('Many'))!)).toEqual(['one', 'two']);
    expect((await key.value('Odd'))!.type).toBe('REG_0xffff0012');
    expect(await hive.key('Services\\none')).toBeUndefined();
    expect((await hive.key('services/leaf3'))!.name).toBe('Leaf3');
  });

  it('applies the logs of a hive that was not written to its end', async () => {
    const before = sample();
    const after = Buffer.from(before);
    const name = after.indexOf('Leaf2');
    after.write('Lost!', name, 'latin1');
    const page = Math.floor((name - 4096) / 4096) * 4096;
    const bins = before.length - 4096;
    const root = before.readUInt32LE(36);
    const dirty = Buffer.from(before);
    dirty.writeUInt32LE(9, 4);
    dirty.writeUInt32LE(8, 8);
    dirty.writeUInt32LE(baseChecksum(dirty), 508);
    const entry = (sequence: number, bytes: Buffer) =>
      logEntry(sequence, bins, [{ offset: page, bytes: bytes.subarray(4096 + page, 4096 + page + 4096) }]);
    const log = Buffer.concat([baseBytes(root, bins, 5, 6, [8, 8]), entry(8, before), entry(9, after)]);
    expect(await openHive(dirty)).toMatchObject({ dirty: true, replayed: 0 });
    const hive = await openHive(dirty, { logs: [log] });
    expect(hive).toMatchObject({ dirty: false, replayed: 2 });
    expect(await hive.key('Services/Lost!')).toBeDefined();
    const broken = Buffer.from(log);
    broken[log.length - 1]! ^= 1;
    expect(await openHive(dirty, { logs: [broken] })).toMatchObject({ replayed: 1 });
    dirty.write('XX', 0);
    expect(await openHive(dirty, { logs: [log] })).toMatchObject({ replayed: 2 });
  });

  it('hashes as the published examples do', () => {
    const seed = { low: 0x001bdbcc, high: 0x004fb61a };
    expect(marvin32(Buffer.alloc(0), seed)).toBe(0x30ed35c100cd3c7dn);
    expect(marvin32(Buffer.from('af', 'hex'), seed)).toBe(0x48e73fc77d75ddc1n);
    expect(marvin32(Buffer.from('e70f', 'hex'), seed)).toBe(0xb5f6e1fc485dbff8n);
  });

  it('refuses keys that go in circles', async () => {
    const maker = new HiveMaker();
    // A list at a known place: the root comes right behind it.
    const list = maker.list('li', [48]);
    const root = maker.key('root', { root: true, list, count: 1 });
    expect(root).toBe(48);
    const hive = await openHive(maker.finish(root));
    await expect(hive.root.subkeys()).rejects.toThrow(AppError);
    const own = new HiveMaker();
    const self = own.list('ri', [32]);
    await expect(
      (await openHive(own.finish(own.key('r', { list: self, count: 1 })))).root.subkeys(),
    ).rejects.toThrow('in itself');
  });

  it('survives cuts and changes', async () => {
    const good = sample();
    const random = randomNumbers(3);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const bad = Buffer.from(i % 4 === 0 ? good.subarray(0, Math.floor(random() * good.length)) : good);
      for (let n = 0; n < 6 && bad.length > 4200; n++) {
        const at =
          random() < 0.5
            ? 4096 + Math.floor(random() * 200)
            : good.length - 8192 + Math.floor(random() * 8192);
        if (at < bad.length) bad[at] = Math.floor(random() * 256);
      }
      try {
        const hive = await openHive(bad);
        for await (const { key } of walkKeys(hive.root)) {
          await key.values();
          await key.className();
        }
      } catch (error) {
        if (!(error instanceof AppError) || error.kind === 'bug') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50);
  });
});
