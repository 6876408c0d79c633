/** What every step of an inspection is handed: the disk, the way to stop, and where findings go. */
import { readBytes } from '../io/byte-source.ts';
import type { Disk } from '../io/disk.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding, Severity } from '../model/finding.ts';

export interface Looking {
  readonly disk: Disk;
  readonly signal: AbortSignal | undefined;
  readonly findings: Finding[];
}

/** Like `readBytes`; what lies past the end of the disk reads as zeros. `length` must be bounded by the caller. */
export async function bytesAt(looking: Looking, offset: number, length: number): Promise<Buffer> {
  const there = Math.max(0, Math.min(length, looking.disk.size - offset));
  const bytes = Buffer.alloc(length);
  if (there > 0) (await readBytes(looking.disk, offset, there, looking.signal)).copy(bytes);
  return bytes;
}

export function addFinding(
  looking: Looking,
  rule: string,
  severity: Severity,
  message: string,
  more: { evidence?: string; remedy?: string } = {},
): void {
  looking.findings.push({ rule: `guest.${rule}`, severity, message, ...more });
}

export const partitionName = (number: number): string =>
  number === 0 ? 'the whole disk' : `partition ${number}`;

/** `step`'s result; an error becomes a finding of `evidence` and gives undefined. Only a cancel goes through. */
export async function orFinding<T>(
  looking: Looking,
  evidence: string,
  step: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    const { kind, message, where } = toAppError(error);
    if (kind === 'cancelled') throw error;
    const place = where === undefined ? '' : ` (${where})`;
    const text = `can't be read: ${message}${place}`;
    const known = looking.findings.some((found) => found.message === text && found.evidence === evidence);
    if (!known) addFinding(looking, kind === 'bug' ? 'bug' : 'unreadable', 'warning', text, { evidence });
    return undefined;
  }
}
