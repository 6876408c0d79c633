/** The key of an image that is encrypted with LUKS. */
import type { ByteSource } from '../../io/byte-source.ts';
import { readLuksHeader } from '../../io/luks/header1.ts';
import { volumeKey1 } from '../../io/luks/open1.ts';
import { type SectorCipher, sectorCipher } from '../../io/luks/sector-cipher.ts';
import { AppError } from '../../model/errors.ts';

/** @throws AppError `auth` when no key slot opens with it; `corrupt`, `unsupported`. */
export async function unlock(
  source: ByteSource,
  place: { readonly offset: number; readonly bytes: number },
  secret: ((what: string) => Promise<string>) | undefined,
  signal: AbortSignal | undefined,
): Promise<SectorCipher> {
  const header = await readLuksHeader(source, place, signal);
  const hint = 'give the passphrase with --secret passphrase=…';
  if (secret === undefined) {
    throw new AppError('auth', 'the image is encrypted (LUKS), and no passphrase was given', {
      where: source.name,
      hint,
    });
  }
  const passphrase = Buffer.from(await secret('passphrase'), 'utf8');
  const key = await volumeKey1(source, header, passphrase, signal);
  if (key !== undefined) return sectorCipher(header.cipher, key);
  throw new AppError('auth', 'the passphrase opens none of the key slots of the image', {
    where: source.name,
    hint,
  });
}
