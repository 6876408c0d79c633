/** Free clusters of NTFS: the zero bits of $Bitmap. */
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { type FreeExtent, zeroRuns } from '../free-extents.ts';
import { openNtfs } from './open.ts';
import { types } from './record.ts';
import { openVolume } from './volume.ts';

const bitmapRecord = 6;
const pieceBytes = 2 ** 20;

/** Undefined when the volume is not clean. @throws AppError `corrupt`. */
export async function freeOfNtfs(looking: Looking): Promise<AsyncIterable<FreeExtent> | undefined> {
  const { facts } = await openNtfs(looking);
  return facts.state === 'clean' ? free(looking) : undefined;
}

async function* free(looking: Looking): AsyncGenerator<FreeExtent> {
  const volume = await openVolume(looking);
  const { clusters, clusterBytes } = volume.layout;
  const bitmap = volume.stream(await volume.file(bitmapRecord), types.data);
  const bytes = Math.ceil(clusters / 8);
  if (bitmap === undefined || bitmap.size < bytes)
    throw new AppError('corrupt', `NTFS: a bitmap of ${bitmap?.size ?? 0} bytes for ${clusters} clusters`);
  for (let at = 0; at < bytes; at += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, bytes - at));
    await bitmap.readInto(piece, at);
    for (const [from, to] of zeroRuns(piece, Math.min(piece.length * 8, clusters - at * 8)))
      yield { offset: (at * 8 + from) * clusterBytes, length: (to - from) * clusterBytes };
  }
}
