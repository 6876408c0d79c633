/** Finding the footer, and what it says of the disk's size. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import {
  checksum,
  type Footer,
  footer,
  footerBytes,
  footerChecksumAt,
  footerCookie,
  formatVersion,
  geometryBytes,
} from './layout.ts';

export interface FoundFooter {
  readonly footer: Footer;
  /** Where data may go up to: the footer's place, or the end where there is none. */
  readonly dataEnd: number;
  readonly findings: readonly Finding[];
}

/**
 * The footer in the last 512 bytes, or 511 (Virtual PC before 2004), or its copy at the front of a dynamic disk.
 * @throws AppError `corrupt` when none is whole.
 */
export async function findFooter(source: ByteSource, signal?: AbortSignal): Promise<FoundFooter> {
  if (source.size < footerBytes) {
    throw new AppError('corrupt', `${source.size} bytes are too few for a VHD`, { where: source.name });
  }
  const tail = await readBytes(source, source.size - footerBytes, footerBytes, signal);
  const short = Buffer.concat([tail.subarray(1), Buffer.alloc(1)]);
  for (const [bytes, length] of [
    [tail, 512],
    [short, 511],
  ] as const) {
    if (isWhole(bytes))
      return { footer: decodeFooter(bytes, source.name), dataEnd: source.size - length, findings: [] };
  }
  const head = await readBytes(source, 0, footerBytes, signal);
  if (isWhole(head)) {
    const copied: Finding = {
      rule: 'vhd.footer-copy-used',
      severity: 'warning',
      message: 'the footer at the end is damaged or cut off; its copy at the front is taken',
      evidence: source.name,
      remedy: "check the guest's filesystems; the file may have been cut short",
    };
    return { footer: decodeFooter(head, source.name), dataEnd: source.size, findings: [copied] };
  }
  const found = hasCookie(tail) || hasCookie(short) || hasCookie(head);
  throw new AppError(
    'corrupt',
    found ? 'VHD footer: wrong checksum' : 'no VHD footer at the end nor at the front',
    {
      where: `${source.name} at ${source.size - footerBytes}`,
      hint: found ? 'the file is damaged; fetch it again' : 'the file is cut short, or not a VHD',
    },
  );
}

export const hasCookie = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.buffer, bytes.byteOffset, 8).toString('latin1') === footerCookie;

const isWhole = (bytes: Buffer): boolean =>
  hasCookie(bytes) && bytes.readUInt32BE(footerChecksumAt) === checksum(bytes, footerChecksumAt);

function decodeFooter(bytes: Buffer, where: string): Footer {
  const found = footer.decode(bytes);
  if (found.fileFormatVersion >>> 16 !== formatVersion >>> 16) {
    throw new AppError('unsupported', `VHD version 0x${found.fileFormatVersion.toString(16)}, 1.0 is known`, {
      where,
    });
  }
  // 1: temporary; 2: always set. The others are reserved.
  if ((found.features & ~3) !== 0) {
    throw new AppError('unsupported', `VHD features 0x${found.features.toString(16)} are not known`, {
      where,
    });
  }
  return found;
}

export interface SizeReading {
  readonly bytes: number;
  readonly from: 'current size' | 'geometry';
  readonly findings: readonly Finding[];
}

/**
 * Virtual PC and qemu (creators `vpc ` and `qemu`) go by the geometry, all others by the current size: Hyper-V
 * `win `, Disk2vhd `d2v `, qemu with force_size `qem2`, VirtualBox `vbox`, XenServer `tap`, Azure `wa`. The largest
 * geometry says nothing. `fits` tells whether the file can hold a disk of so many bytes.
 */
export function diskSize(found: Footer, fits: (bytes: number) => boolean): SizeReading {
  const creator = creatorOf(found);
  const byGeometry = geometryBytes(found);
  const current = found.currentSize;
  const largest = found.cylinders === 65_535 && found.heads === 16 && found.sectorsPerTrack === 255;
  const goesByGeometry = (creator === 'vpc' || creator === 'qemu') && !largest && byGeometry > 0;
  if (!goesByGeometry || byGeometry === current)
    return { bytes: current, from: 'current size', findings: [] };
  const from = fits(byGeometry) ? 'geometry' : 'current size';
  return {
    bytes: from === 'geometry' ? byGeometry : current,
    from,
    findings: [
      {
        rule: 'vhd.two-sizes',
        severity: 'warning',
        message: `the footer says ${current} bytes, its geometry ${byGeometry}; the ${from} is taken, as its creator "${creator}" does`,
      },
    ],
  };
}

export const creatorOf = (found: Footer): string =>
  Buffer.from(found.creatorApplication)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '')
    .trim();
