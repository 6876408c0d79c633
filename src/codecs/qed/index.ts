/** QEMU's QED format, read only: see `layout.ts` for the structures. */
import type { Codec } from '../codec.ts';
import { checkQed } from './check.ts';
import { hasMagic, openQed } from './open.ts';

export const qedCodec: Codec = {
  id: 'qed',
  label: 'QEMU enhanced disk (QED)',
  extensions: ['qed'],
  probe: async (source, signal) => ((await hasMagic(source, signal)) ? 'yes' : 'no'),
  open: openQed,
  check: checkQed,
};
