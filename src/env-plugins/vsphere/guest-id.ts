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

/** Systems whose releases have ids of their own: the nearest that the server knows, not a later one. */
const numbered: readonly (readonly [name: RegExp, prefix: string])[] = [
  [/^debian\D*(\d+)/, 'debian'],
  [/^(?:red hat enterprise linux|rhel)\D*(\d+)/, 'rhel'],
  [/^centos\D*(\d+)/, 'centos'],
  [/^oracle\D*(\d+)/, 'oraclelinux'],
  [/^(?:suse linux enterprise|sles)\D*(\d+)/, 'sles'],
  [/^freebsd\D*(\d+)/, 'freebsd'],
];

function numberedId(
  { name, architecture }: GuestSystem,
  ids: ReadonlyMap<string, string>,
): string | undefined {
  const width = isNarrow(architecture) ? '' : '64';
  for (const [pattern, prefix] of numbered) {
    const release = Number(pattern.exec(name.toLowerCase())?.[1]);
    for (let number = Math.min(release, 99); number > 0; number--) {
      const id = ids.get(`${prefix}${number}${width}`);
      if (id !== undefined) return id;
    }
  }
  return undefined;
}

const isNarrow = (architecture = ''): boolean => /^(i[3-6]86|x86)$/.test(architecture);

/**
 * The nearest id of those that the server knows: an older one of the same system where it has no newer, else a general
 * one. `exact` is false for that.
 */
export function guestIdFor(
  system: GuestSystem | undefined,
  hardware: number,
  known: readonly string[],
): { readonly id: string; readonly exact: boolean } {
  // A machine of vSphere whose Tools never said more.
  if (system !== undefined && known.includes(system.name)) return { id: system.name, exact: true };
  const ids = new Map((known.length === 0 ? usual : known).map((id) => [plain(id), id]));
  const own = system === undefined ? undefined : numberedId(system, ids);
  if (own !== undefined) return { id: own, exact: true };
  for (let version = hardware; version >= 3; version--) {
    const wanted = writeGuestOs(system, version);
    const id = ids.get(plain(wanted));
    if (id !== undefined) return { id, exact: system === undefined || !/^other(-64)?$/.test(wanted) };
  }
  const narrow = isNarrow(system?.architecture);
  if (system?.family === 'linux')
    return { id: narrow ? 'otherLinuxGuest' : 'otherLinux64Guest', exact: false };
  return { id: narrow ? 'otherGuest' : 'otherGuest64', exact: system === undefined };
}
