/** User Mode Linux's copy-on-write files: see `layout.ts` for the structures, `open.ts` for what is read. */
import type { Codec } from '../codec.ts';
import { checkCow } from './check.ts';
import { cowEncoder } from './encode.ts';
import { readMark } from './header.ts';
import { openCow } from './open.ts';

export const cowCodec: Codec = {
  id: 'cow',
  label: 'User Mode Linux disk (COW)',
  extensions: ['cow'],
  async probe(source, signal) {
    const mark = await readMark(source, signal);
    return mark !== undefined && mark.version >= 1 && mark.version <= 3 ? 'yes' : 'no';
  },
  open: openCow,
  check: checkCow,
  encoder: cowEncoder,
};
