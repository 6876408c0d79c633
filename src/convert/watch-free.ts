/** The store of kept copies never fills its filesystem: a reserve stays free, looked at before and while it is written. */
import type { Space } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes, GiB, MiB } from '../model/units.ts';

/** A twentieth of the filesystem, at most 1 GiB. */
export const usualReserve = ({ totalBytes }: Space): number => Math.min(GiB, Math.floor(totalBytes / 20));

export interface FreeWatch {
  /** Before anything is written. @throws AppError `no-space` when so many bytes do not fit. */
  expect(bytes: number): Promise<void>;
  /** Before so many are written. @throws AppError `no-space` when the reserve would be touched. */
  spend(bytes: number): Promise<void>;
}

/** Others write there too: it is looked again after this long at the latest, milliseconds. */
const longest = 1000;

/** `look` tells nothing where the place does not: then only its own end is one. */
export function watchFree(
  look: () => Promise<Space | undefined>,
  reserveBytes?: number,
  now: () => number = () => performance.now(),
): FreeWatch {
  let spent = 0;
  /** So much may be written before it is looked again. */
  let step = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  async function lookAgain(wanted: number): Promise<void> {
    const space = await look();
    lookedAt = now();
    spent = 0;
    if (space === undefined) {
      step = 64 * MiB;
      return;
    }
    const reserve = reserveBytes ?? usualReserve(space);
    const room = space.freeBytes - reserve;
    step = Math.max(0, Math.min(64 * MiB, room / 4));
    if (room < wanted) throw tooLittle(space, reserve, wanted);
  }

  return {
    expect: (bytes) => lookAgain(bytes),
    async spend(bytes) {
      spent += bytes;
      if (looking === undefined && spent <= step && now() - lookedAt < longest) return;
      looking ??= lookAgain(bytes).finally(() => {
        looking = undefined;
      });
      await looking;
    },
  };
}

const tooLittle = ({ freeBytes }: Space, reserve: number, wanted: number): AppError =>
  new AppError(
    'no-space',
    `${formatBytes(wanted)} more are to be kept, ${formatBytes(freeBytes)} are free and ${formatBytes(reserve)} of that stay in reserve`,
    { hint: 'remove kept copies that are done with (vmferry kept), or choose another place with --keep-in' },
  );
