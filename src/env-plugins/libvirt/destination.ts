/** A libvirt as destination: a volume for each disk, and a domain. */
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import type { DeliveryRequest, DestinationRole, Field } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { beginDelivery, formatOf, impossibleName } from './delivery.ts';
import { knownDomains, replacingFindings } from './existing-domain.ts';
import { fitMachine } from './fit-machine.ts';
import { listNetworks } from './networks.ts';
import { isDevicePool, isFolderPool, listPools, type Pool } from './pools.ts';
import { type Ground, groundOf, nvramName, surroundingsOf, volumeObstacle } from './survey.ts';

export function destinationRole(libvirt: Libvirt): DestinationRole {
  return {
    product: 'qemu',
    formats: ['qcow2', 'raw'],
    fields: (signal) => fieldsOf(libvirt, signal),
    networks: async (signal) => (await listNetworks(libvirt, signal)).names,
    check: (request, files, bytes) => check(libvirt, request, files, bytes),
    begin: async (request) => beginDelivery(libvirt, request, await groundOf(libvirt, request)),
  };
}

async function fieldsOf(libvirt: Libvirt, signal: AbortSignal): Promise<Field[]> {
  const [all, { names }] = await Promise.all([listPools(libvirt, signal), listNetworks(libvirt, signal)]);
  const pools = all.filter((pool) => pool.active && (isFolderPool(pool) || isDevicePool(pool)));
  const choice = (key: string, label: string, help: string, choices: readonly string[]): Field => ({
    key,
    label,
    help,
    kind: 'choice',
    required: false,
    choices,
    ...(choices.length === 0 ? {} : { default: choices[0]! }),
  });
  return [
    choice(
      'pool',
      'Storage pool',
      poolHelp(pools),
      pools.map(({ name }) => name),
    ),
    choice(
      'network',
      'Network',
      'for each NIC whose own network is not there; "user" is NAT by QEMU itself',
      names,
    ),
    {
      key: 'keepMac',
      label: 'Keep MAC addresses',
      help: 'no: each NIC gets a new one, as is right for a copy beside the original',
      kind: 'boolean',
      required: false,
      default: 'yes',
    },
    choice('nvram', 'UEFI variables', "carry: the machine's own, where the source gives them; new: none", [
      'carry',
      'new',
    ]),
    choice('machineType', 'Machine type', 'automatic: q35, or pc (i440FX) for one with IDE disks', [
      'automatic',
      'q35',
      'pc',
    ]),
    choice('acceleration', 'Acceleration', 'automatic: KVM where the host has it; none: emulated, slow', [
      'automatic',
      'kvm',
      'none',
    ]),
  ];
}

function poolHelp(pools: readonly Pool[]): string {
  if (pools.length === 0) return 'no pool is active: make one with "virsh pool-define-as" and start it';
  const free = pools.map(
    ({ name, availableBytes }) =>
      `${name}: ${availableBytes === undefined ? 'free space unknown' : `${formatBytes(availableBytes)} free`}`,
  );
  return `where the disks go; ${free.join(', ')}`;
}

async function check(
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
  const known = (await knownDomains(libvirt, request.signal)).find(({ name }) => name === request.name);
  if (known === undefined) return [];
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
