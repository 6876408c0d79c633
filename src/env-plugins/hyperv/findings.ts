/** What a machine has that can't be carried, or is to be known. */
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import { type Answer, countIn, flagIn, textIn } from './answers.ts';
import { runOfCheckpoint } from './checkpoint-name.ts';
import type { HyperVDisk } from './machine.ts';

const finding = (
  rule: string,
  severity: Finding['severity'],
  message: string,
  more: Pick<Finding, 'evidence' | 'remedy'> = {},
): Finding => ({ rule: `hyperv.${rule}`, severity, message, ...more });

export function machineFindings(told: Answer): Finding[] {
  const findings: Finding[] = [];
  if (flagIn(told, 'dynamicMemory')) {
    const range = ['memoryMinimum', 'memoryMaximum'].map((key) => formatBytes(countIn(told, key) ?? 0));
    findings.push(
      finding('dynamic-memory', 'note', 'its memory grows and shrinks; what it starts with goes along', {
        evidence: `${range[0]} to ${range[1]}`,
      }),
    );
  }
  if (flagIn(told, 'shielded'))
    findings.push(
      finding('shielded', 'warning', 'it is shielded: its disks are encrypted, with a key of this host', {
        remedy: 'turn shielding and the encryption of its disks off first',
      }),
    );
  if (flagIn(told, 'tpm'))
    findings.push(
      finding(
        'tpm-left',
        'warning',
        'what its TPM holds stays behind: what is sealed with it does not open',
        {
          remedy: 'have the recovery keys at hand (BitLocker)',
        },
      ),
    );
  if (flagIn(told, 'clustered'))
    findings.push(
      finding('clustered', 'note', 'a cluster owns it, and may move or start it at any time', {
        remedy: 'take it out of the cluster before its copy replaces it',
      }),
    );
  const mode = textIn(told, 'replicationMode');
  if (mode !== '' && mode !== 'None')
    findings.push(
      finding(
        'replicated',
        mode === 'Primary' ? 'note' : 'warning',
        mode === 'Primary' ? 'it is replicated to another host' : 'it is the replica of a machine elsewhere',
        { evidence: `${mode}, ${textIn(told, 'replication')}` },
      ),
    );
  const template = textIn(told, 'secureBootTemplate');
  if (textIn(told, 'secureBoot') === 'On' && template !== '')
    findings.push(
      finding('secure-boot-template', 'note', 'Secure Boot has a template', { evidence: template }),
    );
  return findings;
}

export function diskFindings(disk: HyperVDisk): Finding[] {
  const evidence = `${disk.id}: ${disk.path}`;
  if (disk.physical)
    return [
      finding('disk-physical', 'warning', 'a disk of the host is passed through, and is not read from here', {
        evidence,
        remedy: 'leave it out, or copy it to a VHDX there (New-VHD -SourceDisk)',
      }),
    ];
  const findings: Finding[] = [];
  const broken = disk.chain.find(({ error }) => error !== undefined);
  if (broken !== undefined)
    findings.push(
      finding('disk-unreadable', 'warning', `the host can not read it: ${broken.error}`, {
        evidence: `${disk.id}: ${broken.path}`,
      }),
    );
  if (disk.shared || disk.chain.some(({ format }) => format === 'VHDSet'))
    findings.push(finding('disk-shared', 'warning', 'several machines write to this disk', { evidence }));
  const sector = disk.chain[0]?.sector ?? 512;
  if (sector !== 512)
    findings.push(
      finding(
        'sector-size',
        'warning',
        `the guest sees sectors of ${sector} bytes: it starts only with the same`,
        {
          evidence,
        },
      ),
    );
  return findings;
}

export const checkpointFindings = (names: readonly string[]): Finding[] =>
  names.flatMap((name) => {
    const run = runOfCheckpoint(name)?.run;
    if (run === undefined) return [];
    return [
      finding('checkpoint-left', 'note', `a checkpoint of run ${run}, which reads it now or has died`, {
        evidence: name,
        remedy: 'the next conversion of the running machine removes it',
      }),
    ];
  });
