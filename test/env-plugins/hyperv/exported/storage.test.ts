/** The container of .vmcx: values of all kinds, and files that lie. */
import { describe, expect, it } from 'vitest';
import { at, countAt, flagAt, textAt } from '../../../../src/env-plugins/hyperv/exported/settings.ts';
import { readStorage } from '../../../../src/env-plugins/hyperv/exported/storage.ts';
import { AppError } from '../../../../src/model/errors.ts';
import { randomBytes } from '../../../conformance/random.ts';
import { generation2 } from './export-folder.ts';
import { vmcxFile } from './vmcx-file.ts';

const read = (bytes: Buffer) => readStorage(bytes, 'web.vmcx');
const notes = 'ü'.repeat(3000);

describe('the container of .vmcx', () => {
  it('is read: all kinds of values, keys over several tables, large ones in blocks of their own', () => {
    const blob = randomBytes(5000, 1);
    const tree = { configuration: { A: { b: 'text', c: -5, d: true, e: 2.5, f: blob, notes, g: false } } };
    for (const perTable of [1, 2, 100]) {
      const { root, pending } = read(vmcxFile(tree, { perTable }));
      const found = at(root, 'Configuration', 'a');
      expect(pending).toBe(0);
      expect([...root.children.keys()]).toEqual(['configuration']);
      expect([...found!.children.keys()].sort()).toEqual(['b', 'c', 'd', 'e', 'f', 'g', 'notes']);
      expect(textAt(found, 'b')).toBe('text');
      expect(at(found, 'c')?.value()).toBe(-5);
      expect(countAt(found, 'c')).toBeUndefined();
      expect(at(found, 'e')?.value()).toBe(2.5);
      expect([flagAt(found, 'd'), flagAt(found, 'g')]).toEqual([true, false]);
      expect(at(found, 'f')?.value()).toEqual(blob);
      expect(textAt(found, 'notes')).toBe(notes);
    }
  });

  it('tells what its log still holds, and which layout it does not know', () => {
    expect(read(vmcxFile({ a: 1 }, { pending: 3 })).pending).toBe(3);
    expect(() => read(vmcxFile({ a: 1 }, { version: 0x500 }))).toThrow(
      expect.objectContaining({ kind: 'unsupported', message: expect.stringMatching(/0x500/) }),
    );
    expect(() => read(Buffer.from('no settings'))).toThrow(expect.objectContaining({ kind: 'corrupt' }));
  });

  it('refuses tables and values outside of it, and tables without end', () => {
    const refused = (change: (bytes: Buffer) => void) => {
      const bytes = vmcxFile({ a: { b: 'x' } });
      change(bytes);
      expect(() => read(bytes)).toThrow(expect.objectContaining({ kind: 'corrupt' }));
    };
    refused((bytes) => bytes.writeUInt32LE(0xffffffff, 0x2004));
    refused((bytes) => bytes.writeBigUInt64LE(1n << 60n, 0x200d));
    refused((bytes) => bytes.writeUInt32LE(0xffffffff, 0x600c + 40)); // the size of a key
    refused((bytes) => bytes.writeUInt16LE(9, 0x6000 + 10 + 40 + 6)); // a parent in no table
    // An object table that names itself ends.
    const circle = vmcxFile({ a: 1 });
    circle.writeBigUInt64LE(0x2000n, 0x200d);
    expect(() => read(circle)).not.toThrow();
  });

  it('mutated: a tree or an AppError, and values without a crash', () => {
    const original = vmcxFile(generation2(['C:\\a.vhdx'], { notes }), { perTable: 5 });
    for (let seed = 1; seed <= 150; seed++) {
      const bytes = Buffer.from(original);
      const noise = randomBytes(40, seed);
      for (let i = 0; i < 8; i++) {
        const place = noise.readUInt32LE(i * 4) % (seed % 2 === 0 ? bytes.length : 0x3100);
        bytes[place] = noise[32 + (i % 8)]!;
      }
      const cut = seed % 5 === 0 ? bytes.subarray(0, noise.readUInt32LE(0) % bytes.length) : bytes;
      try {
        const { root } = read(cut);
        const stack = [...root.children.values()];
        for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
          node.value();
          stack.push(...node.children.values());
        }
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
    }
  });
});
