/** What a VMDK descriptor says, and what opening it asks for: its flat extents are there, as zeros, and no other file. */
import type { OpenContext } from '../../../src/codecs/codec.ts';
import { parseDescriptor } from '../../../src/codecs/vmdk/descriptor.ts';
import { vmdkCodec } from '../../../src/codecs/vmdk/index.ts';
import { type ByteSource, memorySource } from '../../../src/io/byte-source.ts';
import { AppError, toAppError } from '../../../src/model/errors.ts';

export async function openedDescriptor(bytes: Uint8Array, name: string) {
  const { fields, extents } = parseDescriptor(bytes, name);
  const asked: string[] = [];
  const context: OpenContext = {
    async sibling(file) {
      asked.push(file);
      if (/flat|-f\d+|^\/dev|-pt/.test(file)) return zeros(file);
      throw new AppError('not-found', 'there is no such file', { where: file });
    },
    parent: async (file) => {
      asked.push(file);
      throw new AppError('not-found', 'there is no such file', { where: file });
    },
  };
  const opened = await vmdkCodec.open(memorySource(bytes, name), context).then(
    async (image) => {
      await image.close();
      return { size: image.size, rules: image.info.findings.map(({ rule }) => rule) };
    },
    (error) => {
      const { kind, message } = toAppError(error);
      return { kind, message };
    },
  );
  return { fields: Object.fromEntries(fields), extents, asked, opened };
}

const zeros = (name: string): ByteSource => ({
  ...{ name, size: 2 ** 40, access: 'random' },
  read: async (target) => void target.fill(0),
  close: async () => undefined,
});
