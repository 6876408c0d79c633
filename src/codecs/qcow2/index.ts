import { readBytes } from '../../io/byte-source.ts';
import type { Codec } from '../codec.ts';
import { checkQcow2 } from './check.ts';
import { encodeQcow2 } from './encode.ts';
import { magic } from './layout.ts';
import { openQcow2 } from './open.ts';
import { encodeOptions, maximumBytes, representableBytes } from './options.ts';

export const qcow2Codec: Codec = {
  id: 'qcow2',
  label: 'QEMU disk (qcow2)',
  extensions: ['qcow2', 'qcow'],
  async probe(source, signal) {
    if (source.size < 8) return 'no';
    const start = await readBytes(source, 0, 8, signal);
    // Version 1 is another format with the same magic.
    return start.readUInt32BE(0) === magic && start.readUInt32BE(4) >= 2 ? 'yes' : 'no';
  },
  open: openQcow2,
  check: checkQcow2,
  encoder: {
    options: encodeOptions,
    maximumBytes,
    representableBytes: (size) => representableBytes(size),
    encode: encodeQcow2,
    backing: true,
    steady: ({ compression }) => compression === 'none',
  },
};
