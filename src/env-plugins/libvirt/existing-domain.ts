/** What libvirt has already: names and UUIDs that are taken, and a machine that is to be replaced. */
import { attribute, child, childrenOf, parseXml, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { Libvirt } from './connect.ts';

export interface KnownDomain {
  readonly uuid: string;
  readonly name: string;
}

/** @throws AppError as `virsh`. */
export async function knownDomains(
  { virsh }: Pick<Libvirt, 'virsh'>,
  signal?: AbortSignal,
): Promise<KnownDomain[]> {
  const text = await virsh(['list', '--all', '--uuid', '--name'], { signal });
  return text.split('\n').flatMap((line) => {
    const [, uuid, name] = /^([0-9a-f-]{36}) +(.*)$/.exec(line) ?? [];
    return uuid === undefined || name === undefined ? [] : [{ uuid, name }];
  });
}

export interface ExistingDomain extends KnownDomain {
  /** Paths of all that it has as disks. */
  readonly disks: readonly string[];
  readonly nvram?: string | undefined;
}

export async function inspectExisting(
  { virsh }: Pick<Libvirt, 'virsh'>,
  known: KnownDomain,
  signal?: AbortSignal,
): Promise<ExistingDomain> {
  const xml = await virsh(['dumpxml', '--inactive', `--domain=${known.uuid}`], { signal });
  const root = parseXml(Buffer.from(xml), `domain ${known.name}`);
  const os = child(root, 'os');
  const nvram = os && child(os, 'nvram');
  return { ...known, disks: pathsOf(root), nvram: nvram?.text.trim() || undefined };
}

function pathsOf(root: XmlElement): string[] {
  const devices = child(root, 'devices');
  return (devices === undefined ? [] : childrenOf(devices, 'disk')).flatMap((disk) => {
    const source = child(disk, 'source');
    const path = source && (attribute(source, 'file') ?? attribute(source, 'dev'));
    return path === undefined ? [] : [path];
  });
}

/** Why this machine can't be replaced, even by `force`. */
export async function replacingFindings(
  { virsh }: Pick<Libvirt, 'virsh'>,
  { uuid, name }: KnownDomain,
  signal?: AbortSignal,
): Promise<Finding[]> {
  const blocker = (message: string, remedy: string): Finding[] => [
    { rule: 'domain.not-replaceable', severity: 'blocker', message, remedy },
  ];
  const state = (await virsh(['domstate', `--domain=${uuid}`], { signal })).trim();
  if (!/^(shut off|crashed)$/.test(state)) {
    return blocker(
      `the machine "${name}" that is to be replaced is ${state}`,
      'shut it down, or choose another name',
    );
  }
  const [snapshots, info] = await Promise.all([
    virsh(['snapshot-list', '--name', `--domain=${uuid}`], { signal }),
    virsh(['dominfo', `--domain=${uuid}`], { signal }),
  ]);
  if (snapshots.trim() !== '') {
    return blocker(
      `the machine "${name}" that is to be replaced has snapshots`,
      'delete them, or choose another name',
    );
  }
  if (/^Managed save:\s*yes/m.test(info)) {
    return blocker(
      `the machine "${name}" that is to be replaced has a saved state`,
      'start it and shut it down, or choose another name',
    );
  }
  return [
    {
      rule: 'domain.replaced',
      severity: 'warning',
      message: `the machine "${name}" that is there is replaced; disks of it that have other names stay`,
    },
  ];
}
