/** Apple's disk image (UDIF), read: see `layout.ts` for the structures, `tables.ts` for the chunks. */
import type { Codec } from '../codec.ts';
import { checkDmg } from './check.ts';
import { isDmg, openDmg } from './open.ts';

export const dmgCodec: Codec = {
  id: 'dmg',
  label: 'Apple disk image (DMG)',
  extensions: ['dmg'],
  probe: async (source, signal) => ((await isDmg(source, signal)) ? 'yes' : 'no'),
  open: openDmg,
  check: checkDmg,
};
