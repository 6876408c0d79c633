/** Which way a disk is read: the one that the user names, else the first that does open. */
import type { ByteSource } from '../../../io/byte-source.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import type { XapiSession } from '../session.ts';
import { type DiskWayId, diskWayIds } from '../settings.ts';
import { nbdDisk } from './nbd.ts';
import { largestVhdBytes, rawStream, type StreamedDisk, vhdStream } from './streams.ts';

const labels: Readonly<Record<DiskWayId | 'xva', string>> = {
  nbd: 'NBD',
  vhd: 'a VHD over HTTPS',
  raw: 'a raw image over HTTPS',
  xva: 'the export of the whole machine (XVA)',
};
const openers = { nbd: nbdDisk, vhd: vhdStream, raw: rawStream } as const;

export interface OpenedDisk {
  readonly source: ByteSource;
  /** The way, and why it is none of those before it. */
  readonly finding: Finding;
}

/** @throws AppError of the last way. */
export async function openByWay(
  session: XapiSession,
  wanted: DiskWayId | 'auto',
  disk: StreamedDisk,
  signal: AbortSignal,
): Promise<OpenedDisk> {
  const passed: string[] = [];
  let failure: AppError | undefined;
  for (const id of wanted === 'auto' ? diskWayIds : [wanted]) {
    if (id === 'vhd' && disk.size > largestVhdBytes) {
      failure = new AppError('unsupported', 'the disk is larger than a VHD can hold', { where: disk.name });
    } else {
      try {
        const source = await openers[id](session, disk, signal);
        return { source, finding: wayFinding(id, disk.name, passed) };
      } catch (error) {
        failure = toAppError(error);
        if (failure.kind === 'cancelled' || signal.aborted) throw error;
      }
    }
    passed.push(`${labels[id]}: ${failure.message}`);
  }
  throw failure ?? new AppError('bug', 'no way was tried');
}

export const wayFinding = (
  id: DiskWayId | 'xva',
  evidence: string,
  passed: readonly string[] = [],
): Finding => ({
  rule: 'xapi.way',
  severity: 'note',
  message: `read by way of: ${labels[id]}${passed.length === 0 ? '' : `. Not by the faster ones: ${passed.join('; ')}`}`,
  evidence,
  remedy: 'another way can be said with the setting "way"',
});
