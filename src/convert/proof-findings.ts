/** What stands in the way of showing that all of it has arrived. */
import type { DestinationRole } from '../env-plugins/plugin.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { diskFileNames } from './make-plan.ts';
import { isSealed } from './wrapped-output.ts';

export function proofFindings(plan: Plan, destination: DestinationRole): Finding[] {
  const findings: Finding[] = [];
  if (plan.verify && diskFileNames(plan).some(isSealed)) {
    findings.push({
      rule: 'verify.encrypted',
      severity: 'blocker',
      message: 'what is encrypted for others can not be read back',
      remedy: 'leave --verify out; --sums shows whoever receives it that the file has arrived whole',
    });
  }
  if (plan.verify && plan.destination.splitBytes !== undefined && plan.destination.container !== 'disks') {
    findings.push({
      rule: 'verify.parts-of-package',
      severity: 'blocker',
      message: 'a package that is cut into parts can not be read back',
      remedy: 'leave --verify out; --sums is of each part. Or deliver plain disks, or no parts',
    });
  }
  if (plan.sums && destination.product !== undefined) {
    findings.push({
      rule: 'sums.no-folder',
      severity: 'blocker',
      message: 'SHA256SUMS is for files in a folder, and the destination is none',
      remedy: 'leave --sums out; --verify reads back what was delivered',
    });
  }
  return findings;
}
