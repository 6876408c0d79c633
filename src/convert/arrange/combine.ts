/**
 * Several disks as one: the first stays as it lies, with its boot code and all its places; behind it come the
 * partitions of the others, and whole disks that had no table as partitions. Pure.
 */
import { gptTypes } from '../../guest/partitions/type-names.ts';
import type { Finding } from '../../model/finding.ts';
import type { Firmware } from '../../model/machine.ts';
import { type Arrangement, type Part, partInWords, refusal, type TableLayout } from './layout.ts';
import { type MadeDisk, makeDisk } from './make-disk.ts';
import { isBsdSlice } from './types.ts';

/** `firmware`: what starts the machine. `names`: of the disks, for messages. */
export function combine(
  tables: readonly TableLayout[],
  firmware: Firmware['kind'],
  names: readonly string[],
): Arrangement {
  const refused = refusals(tables, names);
  if (refused.length > 0) return nothing(refused);
  const [first, ...others] = tables as [TableLayout, ...TableLayout[]];
  const all = others.flatMap(({ parts }) => parts);
  const left = all.filter(isReserved);
  const brought = all.filter((part) => !isReserved(part));
  const findings = [...left.map((part) => leftOut(part, names)), ...contentFindings(tables, names)];
  const { sectorSize } = first;
  const task =
    first.kind === 'none'
      ? { number: 0, sectorSize, own: [], moved: [...first.parts, ...brought] }
      : { number: 0, sectorSize, base: first, own: first.parts, moved: brought };
  const wanted = kindOf(first, tables, firmware);
  const made = makeDisk(wanted, task);
  if (typeof made !== 'string') return finished(made, findings);
  const canChange = wanted === 'mbr' && (firmware === 'uefi' || !first.hasBootCode);
  const instead = canChange ? makeDisk('gpt', task) : made;
  if (typeof instead !== 'string') {
    const message = `the disk gets a GPT, as its MBR would not do: ${made}`;
    return finished(instead, [...findings, { rule: 'disks.table-becomes-gpt', severity: 'note', message }]);
  }
  const bound =
    wanted === 'mbr' && !canChange ? '; its BIOS starts from code that a GPT would be written over' : '';
  const remedy = 'leave a disk out, or carry the disks as they are';
  return nothing([refusal('not-combined', `the disks can't be combined: ${made}${bound}`, { remedy })]);
}

const nothing = (findings: readonly Finding[]): Arrangement => ({ disks: [], moves: [], findings });

const finished = ({ disk, moves }: MadeDisk, findings: readonly Finding[]): Arrangement => ({
  disks: [disk],
  moves,
  findings,
});

/** Windows keeps one on each disk; there is nothing in it. */
const isReserved = ({ type }: Part): boolean => type === gptTypes.microsoftReserved;

const leftOut = (part: Part, names: readonly string[]): Finding => ({
  rule: 'disks.reserved-left-out',
  severity: 'note',
  message: 'the reserved partition of Windows is left out: one on the disk is enough',
  evidence: partInWords(part, names),
});

function refusals(tables: readonly TableLayout[], names: readonly string[]): Finding[] {
  const sizes = [...new Set(tables.map(({ sectorSize }) => sectorSize))];
  const findings: Finding[] = [];
  if (sizes.length > 1) {
    findings.push(
      refusal('sector-sizes-differ', `disks with sectors of ${sizes.join(' and ')} bytes can't be one disk`, {
        evidence: names.join(', '),
        remedy: 'leave those of the other kind out, or carry the disks as they are',
      }),
    );
  }
  for (const part of tables.slice(1).flatMap(({ parts }) => parts))
    if (isBsdSlice(part.type)) findings.push(bsdSlice(part, names));
  return findings;
}

export const bsdSlice = (part: Part, names: readonly string[]): Finding =>
  refusal('bsd-slice', 'a slice of a BSD counts from the start of its disk: it can not be moved', {
    evidence: partInWords(part, names),
    remedy: 'carry the disks as they are',
  });

function contentFindings(tables: readonly TableLayout[], names: readonly string[]): Finding[] {
  return tables.flatMap(({ kind, parts }) =>
    parts.flatMap((part) => {
      const evidence = partInWords(part, names);
      const found: Finding[] = [];
      if (kind === 'none' && part.kind === undefined)
        found.push({
          rule: 'disks.content-unknown',
          severity: 'warning',
          message: 'no partition table and no mark of a filesystem: the disk becomes a partition as it is',
          evidence,
          remedy: 'see that what uses it finds it as a partition, or leave it out',
        });
      if (part.disk > 0 && part.kind === 'ntfs') found.push(driveLetter(evidence));
      if (part.disk > 0 && part.type === gptTypes.efiSystem)
        found.push({
          rule: 'disks.second-esp',
          severity: 'note',
          message: 'the disk then has two EFI system partitions; firmware takes the first one that it finds',
          evidence,
        });
      return found;
    }),
  );
}

export const driveLetter = (evidence: string): Finding => ({
  rule: 'disks.drive-letter',
  severity: 'warning',
  message: 'Windows may give this volume another letter: it knows it by its disk and its place there',
  evidence,
  remedy: 'set the letter in Disk Management after the first start',
});

function kindOf(
  first: TableLayout,
  tables: readonly TableLayout[],
  firmware: Firmware['kind'],
): 'mbr' | 'gpt' {
  if (first.kind !== 'none') return first.kind;
  return firmware === 'uefi' || tables.some(({ kind }) => kind === 'gpt') ? 'gpt' : 'mbr';
}
