/** Virtual PC's and Hyper-V's older format: see `layout.ts` for the structures, `open.ts` for what is read. */
import { readBytes } from '../../io/byte-source.ts';
import type { Codec } from '../codec.ts';
import { checkVhd } from './check.ts';
import { vhdEncoder } from './encode.ts';
import { hasCookie } from './footer.ts';
import { footerBytes } from './layout.ts';
import { openVhd } from './open.ts';

export const vhdCodec: Codec = {
  id: 'vhd',
  label: 'Hyper-V and Virtual PC disk (VHD)',
  extensions: ['vhd', 'vpc'],
  /** A fixed disk has its mark only at the end; a dynamic one whose end is damaged only at the front. */
  async probe(source, signal) {
    if (source.size < footerBytes) return 'no';
    const tail = await readBytes(source, source.size - footerBytes, footerBytes, signal);
    if (hasCookie(tail) || hasCookie(tail.subarray(1))) return 'yes';
    return hasCookie(await readBytes(source, 0, 8, signal)) ? 'yes' : 'no';
  },
  open: openVhd,
  check: checkVhd,
  encoder: vhdEncoder,
};
