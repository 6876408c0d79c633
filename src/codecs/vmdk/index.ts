/** VMware's disk format: see `layout.ts` for the structures, `open.ts` for what is read, `encode.ts` for what is written. */
import { readBytes } from '../../io/byte-source.ts';
import type { Codec } from '../codec.ts';
import { checkVmdk } from './check.ts';
import { looksLikeDescriptor } from './descriptor.ts';
import { vmdkEncoder } from './encode.ts';
import { cowdMagic, hostedMagic, sectorBytes } from './layout.ts';
import { openVmdk } from './open.ts';
import { isSeSparse } from './se-sparse.ts';
import { isStream } from './stream-walk.ts';

export const vmdkCodec: Codec = {
  id: 'vmdk',
  label: 'VMware disk (VMDK)',
  extensions: ['vmdk'],
  async probe(source, signal) {
    if (source.size < 4) return 'no';
    const head = await readBytes(source, 0, Math.min(sectorBytes, source.size), signal);
    const magic = head.subarray(0, 4).toString('latin1');
    const extent = magic === hostedMagic || magic === cowdMagic || isSeSparse(head);
    return extent || looksLikeDescriptor(head) ? 'yes' : 'no';
  },
  forward: isStream,
  open: openVmdk,
  check: checkVmdk,
  encoder: vmdkEncoder,
};
