/** The variables of a machine's firmware, from the file in which libvirt keeps them. */
import { readBytes } from '../../io/byte-source.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Libvirt } from './connect.ts';
import { ddSource } from './dd-source.ts';
import type { Nvram } from './domain-xml.ts';

/** More is no NVRAM: QEMU's are 540 KiB to 64 MiB. */
const largestNvram = 64 * MiB;

/** Undefined before its first start. @throws AppError `auth`: it belongs to root on most hosts. */
export async function readNvram(
  { host }: Libvirt,
  { path, format }: Nvram,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (format !== 'raw')
    throw new AppError('unsupported', `the firmware's variables are kept as ${format}, not raw`, {
      where: path,
    });
  const found = await host.files.open(path, signal).catch(async (error) => {
    const { kind, message } = toAppError(error);
    // Made at the first start.
    if (kind === 'not-found') return undefined;
    if (kind !== 'auth') throw error;
    const source = await ddSource(host, path, signal);
    if (source !== undefined) return source;
    throw new AppError('auth', message, {
      where: `${host.name}:${path}`,
      hint: 'connect as root or with sudo, or let this user read it',
      cause: error,
    });
  });
  if (found === undefined) return undefined;
  try {
    if (found.size > largestNvram)
      throw new AppError('unsupported', `${found.size} bytes are too many for firmware variables`, {
        where: path,
      });
    return await readBytes(found, 0, found.size, signal);
  } finally {
    await found.close();
  }
}
