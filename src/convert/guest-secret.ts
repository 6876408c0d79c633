/** A machine's disks looked into, with the passphrase of what is encrypted in them where one is given. */
import type { Session } from '../env-plugins/plugin.ts';
import type { OpenGuest } from '../guest/guest.ts';
import { type OpenGuestOptions, openGuest } from '../guest/open-guest.ts';
import type { Disk } from '../io/disk.ts';
import { toAppError } from '../model/errors.ts';

/** How it is named on the command line: `--secret guest-passphrase=env:NAME`. */
export const guestPassphrase = 'guest-passphrase';

/** It is asked for only where LUKS is found; without one, findings tell what is encrypted. @throws AppError. */
export async function openGuestWithSecret(
  disks: readonly Disk[],
  session: Pick<Session, 'secret'>,
  options: Omit<OpenGuestOptions, 'passphrase'>,
): Promise<OpenGuest> {
  const guest = await openGuest(disks, options);
  if (session.secret === undefined || !hasLuks(guest)) return guest;
  const passphrase = await session.secret(guestPassphrase).catch((error) => {
    if (toAppError(error).kind !== 'auth') throw error;
    return undefined;
  });
  return passphrase === undefined ? guest : openGuest(disks, { ...options, passphrase });
}

const hasLuks = ({ reports }: OpenGuest): boolean =>
  reports.some(({ partitions, volumes = [] }) =>
    [...partitions, ...volumes].some(({ volume }) => volume?.kind.startsWith('luks')),
  );
