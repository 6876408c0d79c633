/** Parallels' and ploop's format: see `layout.ts` for the structures, `open.ts` for what is read. */
import type { Codec } from '../codec.ts';
import { checkParallels } from './check.ts';
import { isDescriptor } from './descriptor.ts';
import { parallelsEncoder } from './encode.ts';
import { hasMagic } from './image.ts';
import { openParallels } from './open.ts';

export const parallelsCodec: Codec = {
  id: 'parallels',
  label: 'Parallels and ploop disk (HDD)',
  extensions: ['hdd', 'hds'],
  async probe(source, signal) {
    return (await hasMagic(source, signal)) || (await isDescriptor(source, signal)) ? 'yes' : 'no';
  },
  open: openParallels,
  check: checkParallels,
  encoder: parallelsEncoder,
};
