/** What speaks against a delivery, before a byte moves. */
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import type { DeliveryRequest } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { formatOf, impossibleName } from './delivery.ts';
import { type KnownDomain, knownDomains, replacingFindings } from './existing-domain.ts';
import { fitMachine } from './fit-machine.ts';
import { isDevicePool } from './pools.ts';
import { type Ground, groundOf, nvramName, surroundingsOf, volumeObstacle } from './survey.ts';

export async function checkDelivery(
  libvirt: Libvirt,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Promise<Finding[]> {
  const findings = [...nameFindings(request.name), ...fileFindings(request, files)];
  findings.push(...(await domainFindings(libvirt, request)));
  const ground = await groundOf(libvirt, request).catch(
    (error) => void findings.push(refused('pool', error)),
  );
  if (ground) {
    findings.push(...(await poolFindings(libvirt, request, ground, files, bytes)));
    findings.push(...(await machineFindings(libvirt, request, ground, files)));
  }
  return findings;
}

/** What stands in the way as a whole is a finding, too; a host that is gone is not. */
function refused(rule: string, thrown: unknown): Finding {
  const error = toAppError(thrown);
  if (error.kind !== 'not-found' && error.kind !== 'unsupported') throw error;
  return {
    rule: `${rule}.${error.kind}`,
    severity: 'blocker',
    message: error.message,
    ...(error.hint === undefined ? {} : { remedy: error.hint }),
  };
}

function nameFindings(name: string): Finding[] {
  // What libvirt and QEMU's driver refuse, and what XML can't hold.
  if (name.trim() !== '' && !/[/\0-\x1f\x7f\ufffe\uffff]/.test(name) && Buffer.byteLength(name) <= 200)
    return [];
  return [
    {
      rule: 'domain.name-impossible',
      severity: 'blocker',
      message: 'libvirt takes no such name for a machine',
      evidence: JSON.stringify(name),
      remedy: 'give it another name, without "/" and shorter than 200 bytes',
    },
  ];
}

function fileFindings({ machine }: DeliveryRequest, files: readonly string[]): Finding[] {
  const findings: Finding[] = files.flatMap((file) => {
    const message = impossibleName(file);
    return message === undefined
      ? []
      : [
          {
            rule: 'volume.name-impossible',
            severity: 'blocker',
            message,
            remedy: 'choose qcow2 or raw, unpacked',
          },
        ];
  });
  if (machine.disks.length > 0 && files.length > machine.disks.length) {
    findings.push({
      rule: 'volume.parts',
      severity: 'blocker',
      message: 'a disk of several parts can be no volume',
      remedy: 'leave its part size at 0',
    });
  }
  return findings;
}

async function domainFindings(libvirt: Libvirt, request: DeliveryRequest): Promise<Finding[]> {
  const all = await knownDomains(libvirt, request.signal);
  const known = all.find(({ name }) => name === request.name);
  if (known === undefined) return uuidFindings(all, request);
  if (request.force) return replacingFindings(libvirt, known, request.signal);
  return [
    {
      rule: 'domain.exists',
      severity: 'blocker',
      message: `there is a machine "${request.name}" already`,
      evidence: known.uuid,
      remedy: 'choose another name, or allow it to be replaced',
    },
  ];
}

function uuidFindings(all: readonly KnownDomain[], { machine }: DeliveryRequest): Finding[] {
  const same = all.find(({ uuid }) => uuid === machine.uuid?.toLowerCase());
  if (same === undefined) return [];
  return [
    {
      rule: 'domain.uuid-taken',
      severity: 'note',
      message: `"${same.name}" has its UUID already: the new machine gets another one`,
      evidence: same.uuid,
    },
  ];
}

async function poolFindings(
  libvirt: Libvirt,
  request: DeliveryRequest,
  ground: Ground,
  files: readonly string[],
  bytes: number,
): Promise<Finding[]> {
  const { pool } = ground;
  const findings: Finding[] = [];
  const device = isDevicePool(pool);
  if (device && files.some((file) => formatOf(file) === 'qcow2')) {
    findings.push({
      rule: 'pool.raw-only',
      severity: 'blocker',
      message: `the pool "${pool.name}" (${pool.type}) holds raw disks only`,
      remedy: 'choose raw, or another pool',
    });
  }
  if (device) {
    findings.push({
      rule: 'pool.size-rounded',
      severity: 'note',
      message: `a volume of the pool "${pool.name}" is rounded up to its whole extents, the rest zeros`,
    });
  }
  // A device is taken as a whole; the sizes are those that the source tells.
  const whole = request.machine.disks.reduce((sum, disk) => sum + (disk.virtualSizeBytes ?? 0), 0);
  const needed = device ? Math.max(bytes, whole) : bytes;
  if (pool.availableBytes !== undefined && pool.availableBytes < needed) {
    findings.push({
      rule: 'pool.no-space',
      severity: 'warning',
      message: `up to ${formatBytes(needed)} will be written and ${formatBytes(pool.availableBytes)} are free`,
      evidence: pool.name,
      remedy: 'free some space, or choose another pool or a compressed format',
    });
  }
  for (const file of files) {
    if (impossibleName(file) !== undefined) continue;
    const found = await volumeObstacle(libvirt, ground, request, file);
    if (found !== undefined) findings.push(found);
  }
  return findings;
}

/** The machine is fitted as it will be; only the places of its disks are not there yet. */
async function machineFindings(
  libvirt: Libvirt,
  request: DeliveryRequest,
  ground: Ground,
  files: readonly string[],
): Promise<Finding[]> {
  const { machine, name, settings } = request;
  const findings: Finding[] = [];
  const around = await surroundingsOf(libvirt, request, ground).catch(
    (error) => void findings.push(refused('machine', error)),
  );
  if (!around) return findings;
  if (around.carried !== undefined) {
    const found = await volumeObstacle(libvirt, ground, request, nvramName(name));
    if (found !== undefined) findings.push(found);
  }
  const volumes = files.map((file) => ({
    path: file,
    kind: 'file' as const,
    format: formatOf(file) ?? 'raw',
  }));
  return [
    ...findings,
    ...around.findings,
    ...fitMachine(name, '', machine, volumes, settings, around).findings,
  ];
}
