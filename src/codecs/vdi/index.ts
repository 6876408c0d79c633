/** VirtualBox's format: see `layout.ts` for the structures, `open.ts` for what is read. */
import type { Codec } from '../codec.ts';
import { checkVdi } from './check.ts';
import { vdiEncoder } from './encode.ts';
import { hasSignature } from './header.ts';
import { openVdi } from './open.ts';

export const vdiCodec: Codec = {
  id: 'vdi',
  label: 'VirtualBox disk (VDI)',
  extensions: ['vdi'],
  probe: async (source, signal) => ((await hasSignature(source, signal)) ? 'yes' : 'no'),
  open: openVdi,
  check: checkVdi,
  encoder: vdiEncoder,
};
