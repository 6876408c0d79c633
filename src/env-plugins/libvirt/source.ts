/** The machines of a libvirt as source. A machine's id is its UUID; a name is taken for it, too. */

import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import type { SourceRole } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { type Domain, isUuid, readDomain } from './domain-xml.ts';
import type { DomainDisk } from './domain-xml-disks.ts';
import { type HeldDisks, holdDomain } from './hold.ts';
import { readNvram } from './nvram.ts';
import { leftOverlays, type Overlay, runOf } from './overlays.ts';
import { withStats } from './stats.ts';
import { isReadable, openDomainDisk, pathOf } from './storage.ts';
import { virshBatch } from './virsh.ts';

export interface SourceOptions {
  report(step: string): void;
}

export function sourceRole(libvirt: Libvirt, { report }: SourceOptions): SourceRole {
  const held: HeldDisks = new Map();
  return {
    async list({ signal, found }) {
      const ids = await uuids(libvirt, [], signal);
      const saved = new Set(await uuids(libvirt, ['--with-managed-save'], signal));
      // The first ones are few, so that they are soon seen.
      for (let at = 0, size = 20; at < ids.length; at += size, size = 200) {
        throwIfAborted(signal);
        const broken = (id: string, error: AppError) => found(brokenMachine(id, error));
        for (const seen of await lookAt(libvirt, ids.slice(at, at + size), signal, broken)) {
          found(machineOf(seen, saved));
        }
      }
    },
    async inspect(id, signal) {
      const seen = await domainById(libvirt, id, signal);
      const saved = new Set(await uuids(libvirt, ['--with-managed-save'], signal));
      const machine = machineOf(seen, saved);
      return {
        ...machine,
        findings: [...machine.findings, ...(await wayFindings(libvirt, seen.domain, signal))],
      };
    },
    async open(machine, diskId, signal) {
      const wanted = (disks: readonly DomainDisk[]) => disks.find((one) => one.disk.id === diskId);
      const { domain } = await domainById(libvirt, machine.id, signal);
      const disk = wanted(held.get(domain.machine.id) ?? domain.disks);
      if (disk === undefined)
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: domain.machine.name });
      return openDomainDisk(libvirt, disk, { signal, report });
    },
    async hold(machine, options) {
      const seen = await domainById(libvirt, machine.id, options.signal);
      const saved = new Set(await uuids(libvirt, ['--with-managed-save'], options.signal));
      const look = async () => {
        const now = await domainById(libvirt, seen.domain.machine.id, undefined);
        return { domain: now.domain, machine: machineOf(now, saved) };
      };
      return holdDomain(
        libvirt,
        { domain: seen.domain, machine: machineOf(seen, saved), look },
        held,
        options,
      );
    },
    async nvram(machine, signal) {
      const { domain } = await domainById(libvirt, machine.id, signal);
      return domain.nvram === undefined ? undefined : readNvram(libvirt, domain.nvram, signal);
    },
  };
}

interface Seen {
  readonly domain: Domain;
  /** What `domstats` and `snapshot-list` say; empty when they could not. */
  readonly stats: string;
  readonly snapshots: string;
  readonly current: string;
}

async function uuids(
  libvirt: Libvirt,
  which: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const text = await libvirt.virsh(['list', '--all', '--uuid', ...which], { signal });
  return text.split(/\s+/).filter(isUuid);
}

/**
 * All that is told of these machines, in one process. One that is gone meanwhile is left out; one that can't be
 * understood goes to `broken`.
 */
async function lookAt(
  libvirt: Libvirt,
  ids: readonly string[],
  signal: AbortSignal | undefined,
  broken: (id: string, error: AppError) => void,
): Promise<Seen[]> {
  const commands = (id: string) => [
    `dumpxml ${id}`,
    // A machine that is busy with a job of its own is not waited for.
    `domstats --state --block --nowait ${id}`,
    `snapshot-list ${id}`,
    `snapshot-current --name ${id}`,
  ];
  const answers = await virshBatch(libvirt.virsh, ids.flatMap(commands), { signal });
  return ids.flatMap((id, index) => {
    const [xml, stats, snapshots, current] = answers.slice(index * 4, index * 4 + 4) as [
      string,
      string,
      string,
      string,
    ];
    if (xml.trim() === '') return [];
    try {
      const domain = readDomain(Buffer.from(xml.trim()), `domain ${id}`);
      return [{ domain, stats, snapshots, current }];
    } catch (error) {
      broken(id, toAppError(error));
      return [];
    }
  });
}

/** @throws AppError `not-found`. */
async function domainById(libvirt: Libvirt, id: string, signal: AbortSignal | undefined): Promise<Seen> {
  const uuid = isUuid(id) ? id.toLowerCase() : await uuidOf(libvirt, id, signal);
  const [seen] = await lookAt(libvirt, [uuid], signal, (_, error) => {
    throw error;
  });
  if (seen !== undefined) return seen;
  throw new AppError('not-found', `there is no machine "${id}"`, {
    where: `${libvirt.host.name}, ${libvirt.uri}`,
  });
}

/** By its name. virsh would take `3` for the number of a running machine, so what it found is looked at. */
async function uuidOf(libvirt: Libvirt, name: string, signal: AbortSignal | undefined): Promise<string> {
  const xml = await libvirt.virsh(['dumpxml', `--domain=${name}`], { signal });
  const { machine } = readDomain(Buffer.from(xml.trim()), `domain ${name}`);
  if (machine.name === name) return machine.id;
  const ids = await uuids(libvirt, [], signal);
  const names = await virshBatch(
    libvirt.virsh,
    ids.map((id) => `domname ${id}`),
    { signal },
  );
  const at = names.findIndex((text) => text.replace(/\n+$/, '') === name);
  if (at >= 0) return ids[at]!;
  throw new AppError('not-found', `there is no machine "${name}"`, {
    where: `${libvirt.host.name}, ${libvirt.uri}`,
  });
}

const brokenMachine = (id: string, { message, where }: AppError): Machine => ({
  id,
  name: id,
  state: 'unknown',
  packaging: 'libvirt domain',
  disks: [],
  nics: [],
  findings: [
    {
      rule: 'libvirt.unreadable',
      severity: 'blocker',
      message: `what libvirt tells of it is not understood: ${message}`,
      ...(where === undefined ? {} : { evidence: where }),
    },
  ],
});

function machineOf({ domain, stats, snapshots, current }: Seen, saved: ReadonlySet<string>): Machine {
  const told = withStats(domain, { stats, snapshots, current });
  const machine = { ...told, findings: [...told.findings, ...leftOverlays(domain).map(leftFinding)] };
  if (!saved.has(machine.id) || machine.state !== 'off') return machine;
  return { ...machine, state: 'suspended', findings: [...machine.findings, savedFinding] };
}

const leftFinding = ({ target, path }: Overlay): Finding => ({
  rule: 'libvirt.overlay-left',
  severity: 'note',
  message: `disk ${target} is on an overlay of run ${runOf(path)}, which reads it now or has died`,
  evidence: path,
  remedy: 'the next conversion of the running machine merges and removes it',
});

const savedFinding: Finding = {
  rule: 'libvirt.saved-memory',
  severity: 'warning',
  message: 'its memory is saved on the host and stays behind: its disks are as after a power cut',
  remedy: 'start it and shut it down first, or take it as it is',
};

/** Which disks this user does not read himself; what is missing is told when it is opened. */
async function wayFindings(libvirt: Libvirt, { disks }: Domain, signal: AbortSignal): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { disk, place } of disks) {
    if (place.kind === 'elsewhere') continue;
    try {
      const path = await pathOf(libvirt, place, disk.id, signal);
      if (await isReadable(libvirt, path, signal)) continue;
      findings.push({
        rule: 'libvirt.read-by-commands',
        severity: 'note',
        message:
          "this user can't open the disk's file: commands there read it, which is slower and tells no holes",
        evidence: path,
        remedy: 'as root, or as a user who may read it, it goes faster',
      });
    } catch (error) {
      const { kind, message } = toAppError(error);
      if (kind === 'cancelled' || kind === 'unreachable') throw error;
      findings.push({
        rule: 'disk.unreadable',
        severity: 'warning',
        message: `the disk can not be opened: ${message}`,
        evidence: `${disk.id}: ${disk.name}`,
      });
    }
  }
  return findings;
}
