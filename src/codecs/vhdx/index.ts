/** Hyper-V's format: see `layout.ts` for the structures, `open.ts` for what is read. */
import { readBytes } from '../../io/byte-source.ts';
import type { Codec } from '../codec.ts';
import { checkVhdx } from './check.ts';
import { vhdxEncoder } from './encode.ts';
import { fileSignature } from './layout.ts';
import { openVhdx } from './open.ts';

export const vhdxCodec: Codec = {
  id: 'vhdx',
  label: 'Hyper-V disk (VHDX)',
  extensions: ['vhdx', 'avhdx'],
  async probe(source, signal) {
    if (source.size < fileSignature.length) return 'no';
    const head = await readBytes(source, 0, fileSignature.length, signal);
    return head.toString('latin1') === fileSignature ? 'yes' : 'no';
  },
  open: openVhdx,
  check: checkVhdx,
  encoder: vhdxEncoder,
};
