/** What a LUKS volume holds, opened with a passphrase. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { wholeExtent } from '../../io/extents.ts';
import { decrypted } from '../../io/luks/decrypted.ts';
import { readLuksHeader } from '../../io/luks/header1.ts';
import { readLuks2Header } from '../../io/luks/header2.ts';
import { volumeKey1 } from '../../io/luks/open1.ts';
import { volumeKey2 } from '../../io/luks/open2.ts';
import { cipherSpec, sectorCipher } from '../../io/luks/sector-cipher.ts';
import { AppError } from '../../model/errors.ts';

export interface OpenLuksOptions {
  /** For messages. */
  readonly name?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The plain bytes. Closing it closes nothing.
 * @throws AppError `auth` when the passphrase opens no key slot; `corrupt`, `unsupported`.
 */
export async function openLuks(
  disk: Disk,
  passphrase: string,
  { name = 'LUKS volume', signal }: OpenLuksOptions = {},
): Promise<Disk> {
  const source: Source = { name, size: disk.size, read: (...range) => disk.read(...range) };
  const secret = Buffer.from(passphrase, 'utf8');
  const version = disk.size < 592 ? 0 : (await readBytes(disk, 0, 8, signal)).readUInt16BE(6);
  // Where the first header of version 2 is lost, the second one is there.
  const payload =
    version === 1 ? await payload1(source, secret, signal) : await payload2(source, secret, signal);
  return plainDisk(disk, name, payload);
}

interface Payload {
  readonly offset: number;
  readonly bytes: number;
  readonly sectorBytes: number;
  /** Number of the first sector, in units of 512 bytes. */
  readonly first: number;
  readonly encryption: Parameters<typeof sectorCipher>[0];
  readonly key: Buffer;
}

type Source = Pick<ByteSource, 'name' | 'size' | 'read'>;

async function payload1(source: Source, secret: Buffer, signal: AbortSignal | undefined): Promise<Payload> {
  const header = await readLuksHeader(source, { offset: 0, bytes: source.size }, signal);
  const { payloadOffset: offset, cipher } = header;
  // A header of its own device tells no payload: there is no data behind it.
  if (offset === 0 || offset > source.size) throw noPayload(source, offset);
  const key = await volumeKey1(source, header, secret, signal);
  if (key === undefined) throw wrongPassphrase(source);
  const bytes = Math.floor((source.size - offset) / 512) * 512;
  return { offset, bytes, sectorBytes: 512, first: 0, encryption: cipher, key };
}

async function payload2(source: Source, secret: Buffer, signal: AbortSignal | undefined): Promise<Payload> {
  const header = await readLuks2Header(source, signal);
  const { offset, ivTweak, sectorBytes, encryption } = header.segment;
  const bytes = header.segment.bytes ?? Math.floor((source.size - offset) / sectorBytes) * sectorBytes;
  if (offset === 0 || bytes < 0 || offset + bytes > source.size || bytes % sectorBytes !== 0)
    throw noPayload(source, offset);
  const key = await volumeKey2(source, header, secret, signal);
  if (key === undefined) throw wrongPassphrase(source);
  const spec = cipherSpec(encryption, key.length, source.name);
  return { offset, bytes, sectorBytes, first: ivTweak, encryption: spec, key };
}

const noPayload = ({ name, size }: Source, offset: number): AppError =>
  new AppError('corrupt', `the encrypted bytes should be at ${offset}, the device has ${size}`, {
    where: name,
    hint: 'the header may belong to another device, or the image is cut short',
  });

const wrongPassphrase = ({ name }: Source): AppError =>
  new AppError('auth', 'the passphrase opens none of the key slots', { where: name });

function plainDisk(
  disk: Disk,
  name: string,
  { offset, bytes, sectorBytes, first, encryption, key }: Payload,
): Disk {
  const sealed: Source = {
    name,
    size: bytes,
    read: (target, at, signal) => disk.read(target, offset + at, signal),
  };
  const cipher = sectorCipher(encryption, key, sectorBytes);
  return {
    size: bytes,
    sectorSize: Math.max(disk.sectorSize, sectorBytes),
    read: decrypted(sealed, cipher, { sectorBytes, first }).read,
    // Zeros below are no zeros here.
    extents: async (from, to) => wholeExtent('data', from, to),
    async close() {
      // nothing is held
    },
  };
}
