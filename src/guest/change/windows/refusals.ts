/** A Windows whose volumes must not be written to, or that would not start: nothing is changed then. */
import type { Finding } from '../../../model/finding.ts';
import type { WindowsRequest } from './context.ts';

/** MBR: LDM. GPT: LDM metadata and LDM data. */
const dynamic: ReadonlySet<string> = new Set([
  '0x42',
  '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3',
  'af9b60a0-1431-4f62-bc68-3311714a69ad',
]);

const blocker = (rule: string, message: string, remedy: string): Finding => ({
  rule: `guest.${rule}`,
  severity: 'blocker',
  message,
  remedy,
});

export function refusals({ system, reports }: Pick<WindowsRequest, 'system' | 'reports'>): Finding[] {
  const findings: Finding[] = [];
  if (system.windows?.hibernated === true)
    findings.push(
      blocker(
        'windows-hibernated',
        `${system.name} is hibernated${system.windows.fastStartup ? ' (Fast Startup)' : ''}: its memory holds what its disks don't`,
        'start it and shut it down with "shutdown /s /t 0"',
      ),
    );
  if (reports.some(({ partitions }) => partitions.some(({ type }) => dynamic.has(type))))
    findings.push(
      blocker(
        'windows-dynamic-disk',
        `${system.name} has dynamic disks: changes there are not known to be safe`,
        'make them basic disks in the guest, or leave the changes out (--changes none)',
      ),
    );
  return findings;
}

/** Of a system whose files can't be read. */
export const isBitLocker = ({ reports }: Pick<WindowsRequest, 'reports'>): boolean =>
  reports.some(({ partitions }) => partitions.some(({ volume }) => volume?.kind === 'bitlocker'));

export const bitLocker: Finding = blocker(
  'windows-bitlocker',
  'the volume of Windows is encrypted by BitLocker: nothing can be changed in it, and it asks for its recovery key elsewhere',
  'decrypt it in the guest ("manage-bde -off C:"), or leave the changes out (--changes none)',
);
