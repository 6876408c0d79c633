/** What is looked up of a libvirt for one delivery: the pool, what its machines can have, what is in the way. */
import { posix } from 'node:path';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { DeliveryRequest } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { type DomainCapabilities, domainCapabilities } from './domain-capabilities.ts';
import { inspectExisting, knownDomains } from './existing-domain.ts';
import { findFirmware, hasPlainFirmware } from './firmware.ts';
import { architectureOf, machineTypeOf, type Surroundings } from './fit-machine.ts';
import { listNetworks } from './networks.ts';
import { choosePool, isDevicePool, isFolderPool, listPools, type Pool, volumePath } from './pools.ts';
import { writableFolder } from './volumes.ts';

export interface Ground {
  readonly pool: Pool;
  /** The pool's folder where this user can write to it; else all goes through libvirt. */
  readonly folder?: string | undefined;
}

/** @throws AppError `not-found`, `unsupported` … with what to do. */
export async function groundOf(libvirt: Libvirt, request: DeliveryRequest): Promise<Ground> {
  const { settings, signal } = request;
  const pools = await listPools(libvirt, signal);
  const wanted = settings.pool;
  const pool = choosePool(pools, wanted);
  const active = pools.filter((one) => one.active).map(({ name }) => name);
  const choose =
    active.length === 0
      ? 'make one with "virsh pool-define-as" and start it'
      : `choose one of ${active.join(', ')}`;
  if (pool === undefined) {
    const message =
      wanted === undefined || wanted === ''
        ? 'no storage pool is active'
        : `there is no storage pool "${wanted}"`;
    throw new AppError('not-found', message, { where: libvirt.uri, hint: choose });
  }
  if (!pool.active) {
    throw new AppError('not-found', `the storage pool "${pool.name}" is not active`, {
      where: libvirt.uri,
      hint: `start it ("virsh pool-start"), or ${choose}`,
    });
  }
  if (!isFolderPool(pool) && !isDevicePool(pool)) {
    throw new AppError('unsupported', `nothing can be written to a storage pool of type "${pool.type}"`, {
      where: pool.name,
      hint: 'choose a pool of type dir, fs, netfs or logical',
    });
  }
  return { pool, folder: await writableFolder(libvirt, pool, signal) };
}

export interface Surveyed extends Surroundings {
  readonly findings: readonly Finding[];
}

/** @throws AppError `unsupported` where it can't run such a machine at all. */
export async function surroundingsOf(
  libvirt: Libvirt,
  request: DeliveryRequest,
  { pool }: Ground,
): Promise<Surveyed> {
  const { signal } = request;
  const capabilities = await capabilitiesFor(libvirt, request);
  const findings: Finding[] = [];
  if (capabilities.domainType !== 'kvm' && request.settings.acceleration !== 'none') {
    findings.push({
      rule: 'domain.emulated',
      severity: 'warning',
      message: 'the host offers no KVM: the machine will be emulated, and slow',
      remedy: 'switch virtualization on in the firmware of the host, and load its kvm module',
    });
  }
  const networks = await listNetworks(libvirt, signal);
  const carried = await carriedVariables(libvirt, request, pool, capabilities, findings);
  const plainFirmware =
    request.machine.firmware?.kind === 'uefi' && (await hasPlainFirmware(libvirt.host, capabilities, signal));
  return { capabilities, networks, plainFirmware, carried, findings };
}

async function capabilitiesFor(
  libvirt: Libvirt,
  { machine, settings, signal }: DeliveryRequest,
): Promise<DomainCapabilities> {
  const { acceleration = 'automatic' } = settings;
  const architecture = architectureOf(machine);
  const type = machineTypeOf(machine, settings);
  const domainTypes =
    acceleration === 'kvm'
      ? (['kvm'] as const)
      : acceleration === 'none'
        ? (['qemu'] as const)
        : (['kvm', 'qemu'] as const);
  for (const domainType of domainTypes) {
    const found = await domainCapabilities(libvirt, { domainType, architecture, machine: type }, signal);
    if (found !== undefined) return found;
  }
  const how = acceleration === 'kvm' ? ' with KVM' : '';
  throw new AppError(
    'unsupported',
    `the host can't run a machine of type ${type} for ${architecture ?? 'its own processor'}${how}`,
    {
      where: libvirt.uri,
      hint: 'install the emulator for it there ("qemu-system-…"), or choose another host',
    },
  );
}

/** Beside the disks: whoever can write there can leave them, and libvirt gives them to the machine. */
async function carriedVariables(
  { host }: Libvirt,
  { nvram, machine, settings, name, signal }: DeliveryRequest,
  pool: Pool,
  capabilities: DomainCapabilities,
  findings: Finding[],
): Promise<Surroundings['carried']> {
  if (nvram === undefined || settings.nvram === 'new' || machine.firmware?.kind !== 'uefi') return undefined;
  const secureBoot = machine.firmware.secureBoot === true;
  const notCarried = (message: string): undefined => {
    findings.push({
      rule: 'firmware.nvram-not-carried',
      severity: 'warning',
      message: `${message}: the machine gets new firmware variables`,
      remedy: "it boots by the fallback loader of its disk; else add the loader in the firmware's menu",
    });
  };
  if (!isFolderPool(pool) || pool.path === undefined) {
    return notCarried(`the pool "${pool.name}" holds no files`);
  }
  const { architecture, machine: type } = capabilities;
  const build = await findFirmware(
    host,
    { architecture, machine: type, secureBoot, nvramBytes: nvram.length },
    signal,
  );
  if (build === undefined) {
    return notCarried(`no firmware of the host takes the ${nvram.length} bytes of variables of this one`);
  }
  return { kind: 'uefi', secureBoot, build, nvram: posix.join(pool.path, nvramName(name)) };
}

export const nvramName = (name: string): string =>
  `${name.replace(/[/\0-\x1f\x7f]/g, '_').slice(0, 60)}_VARS.fd`;

/** Why a volume of this name can't be made, or undefined. */
export async function volumeObstacle(
  libvirt: Libvirt,
  { pool, folder }: Ground,
  request: DeliveryRequest,
  volume: string,
): Promise<Finding | undefined> {
  const { signal, force } = request;
  const path = await existingPath(libvirt, pool, volume, signal);
  if (path === undefined) return undefined;
  const blocker = (rule: string, message: string, remedy: string): Finding => ({
    rule,
    severity: 'blocker',
    message,
    evidence: path,
    remedy,
  });
  if (libvirt.host.here && (request.reading ?? []).includes(path)) {
    return blocker(
      'volume.is-source',
      `${path} is a file that is to be converted`,
      'choose another name or pool',
    );
  }
  if (!force) {
    return blocker(
      'volume.exists',
      `the pool "${pool.name}" has a volume "${volume}" already`,
      'choose another name or pool, or allow it to be replaced',
    );
  }
  if (folder === undefined) {
    return blocker(
      'volume.not-replaceable',
      `the volume "${volume}" exists, and a volume can only be replaced where this user can write to the pool's folder`,
      'choose another name, or delete it first',
    );
  }
  const user = await otherUser(libvirt, path, request);
  if (user === undefined) return undefined;
  return blocker(
    'volume.in-use',
    `the volume "${volume}" belongs to the machine "${user}"`,
    'choose another name',
  );
}

/** As libvirt knows it, or as the folder has it: libvirt looks there only when it is told to. */
async function existingPath(
  libvirt: Libvirt,
  pool: Pool,
  volume: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const known = await volumePath(libvirt, pool, volume, signal);
  if (known !== undefined || pool.path === undefined || !isFolderPool(pool)) return known;
  const path = posix.join(pool.path, volume);
  const file = await libvirt.host.files.stat(path, signal).catch((error) => {
    if (error instanceof AppError && ['cancelled', 'unreachable'].includes(error.kind)) throw error;
    return undefined; // not to be seen by this user: libvirt will say so
  });
  return file === undefined ? undefined : path;
}

/** A machine besides the one that is replaced, which has this path as a disk. */
async function otherUser(
  libvirt: Libvirt,
  path: string,
  { name, signal }: DeliveryRequest,
): Promise<string | undefined> {
  for (const known of await knownDomains(libvirt, signal)) {
    if (known.name === name) continue;
    const { disks } = await inspectExisting(libvirt, known, signal);
    if (disks.includes(path)) return known.name;
  }
  return undefined;
}
