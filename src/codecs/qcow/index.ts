/** The first version of QEMU's qcow, read only: see `layout.ts` for the structures. */
import type { Codec } from '../codec.ts';
import { checkQcow } from './check.ts';
import { hasMagic, openQcow } from './open.ts';

export const qcowCodec: Codec = {
  id: 'qcow',
  label: 'QEMU disk, first version (qcow)',
  extensions: ['qcow'],
  probe: async (source, signal) => ((await hasMagic(source, signal)) ? 'yes' : 'no'),
  open: openQcow,
  check: checkQcow,
};
