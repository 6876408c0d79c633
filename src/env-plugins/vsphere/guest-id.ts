/**
 * The API's ids of guest systems: those of VMware's files in another spelling, irregular in each (`other-64` is
 * `otherGuest64`, `windows9srv-64` is `windows9Server64Guest`). So an id is looked for among those that the server
 * itself lists.
 */
import type { GuestSystem } from '../../model/machine.ts';
import { writeGuestOs } from '../vmware-hardware/guest-os.ts';

/** Both spellings become this one. */
const plain = (id: string): string =>
  id
    .toLowerCase()
    .replace(/guest/g, '')
    .replace(/server/g, 'srv')
    .replace(/^longhorn/, 'winlonghorn')
    .replace(/^winhyperv/, 'windowshyperv')
    .replace(/[-_]/g, '');

/** What every server knows. */
const usual = ['otherGuest64', 'otherGuest', 'otherLinux64Guest', 'otherLinuxGuest'];

/**
 * The nearest id of those that the server knows: an older one of the same system where it has no newer, else a general
 * one. `exact` is false for that.
 */
export function guestIdFor(
  system: GuestSystem | undefined,
  hardware: number,
  known: readonly string[],
): { readonly id: string; readonly exact: boolean } {
  const ids = new Map((known.length === 0 ? usual : known).map((id) => [plain(id), id]));
  for (let version = hardware; version >= 3; version--) {
    const wanted = writeGuestOs(system, version);
    const id = ids.get(plain(wanted));
    if (id !== undefined) return { id, exact: system === undefined || !/^other(-64)?$/.test(wanted) };
  }
  const narrow = /^(i[3-6]86|x86)$/.test(system?.architecture ?? '');
  if (system?.family === 'linux')
    return { id: narrow ? 'otherLinuxGuest' : 'otherLinux64Guest', exact: false };
  return { id: narrow ? 'otherGuest' : 'otherGuest64', exact: system === undefined };
}
