/** A Linux system, by the files on its root. */
import type { InstalledSystem } from '../../model/guest-report.ts';
import type { Files } from '../filesystems/files.ts';
import { given } from '../text.ts';
import { elfArchitecture, elfHeadBytes } from './elf.ts';
import { firstLine, kernelVersions, parseFstab, parseOsRelease } from './text-files.ts';

/** Far more than any of these files has. */
const maxTextBytes = 128 * 1024;

async function text(files: Files, path: string): Promise<string | undefined> {
  return (await files.read(path, maxTextBytes))?.toString('utf8');
}

interface Release {
  readonly name: string;
  readonly version?: string;
  readonly evidence: string;
}

/** The system whose root this is, or undefined when it is none. */
export async function linuxSystem(files: Files, rootPartition: number): Promise<InstalledSystem | undefined> {
  const release = await releaseOf(files);
  if (release === undefined) return undefined;
  const fstab = await text(files, '/etc/fstab');
  const { architecture, program } = await architectureOf(files);
  return {
    name: release.name,
    family: 'linux',
    ...given('version', release.version),
    ...given('architecture', architecture),
    ...given('hostname', await hostnameOf(files)),
    rootPartition,
    confidence: 'high',
    evidence: [
      release.evidence,
      ...(program === undefined ? [] : [program]),
      ...(fstab === undefined ? [] : ['/etc/fstab']),
    ],
    kernels: kernelVersions(await files.list('/boot')),
    mounts: fstab === undefined ? [] : parseFstab(fstab),
  };
}

async function releaseOf(files: Files): Promise<Release | undefined> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const content = await text(files, path);
    if (content === undefined) continue;
    const { PRETTY_NAME, NAME, VERSION, VERSION_ID } = parseOsRelease(content);
    const name = PRETTY_NAME || [NAME, VERSION ?? VERSION_ID].filter(Boolean).join(' ') || 'Linux';
    return { name, ...given('version', VERSION_ID), evidence: path };
  }
  return olderRelease(files);
}

/** Systems from before os-release (2012). */
async function olderRelease(files: Files): Promise<Release | undefined> {
  for (const path of [
    '/etc/redhat-release',
    '/etc/SuSE-release',
    '/etc/system-release',
    '/etc/alpine-release',
  ]) {
    const line = firstLine((await text(files, path)) ?? '');
    if (line === undefined) continue;
    const name = path === '/etc/alpine-release' ? `Alpine Linux ${line}` : line;
    return { name, ...given('version', /\d+(?:\.\d+)*/.exec(line)?.[0]), evidence: path };
  }
  const lsb = await text(files, '/etc/lsb-release');
  if (lsb !== undefined) {
    const { DISTRIB_DESCRIPTION, DISTRIB_ID, DISTRIB_RELEASE } = parseOsRelease(lsb);
    const name = DISTRIB_DESCRIPTION || DISTRIB_ID;
    if (name) return { name, ...given('version', DISTRIB_RELEASE), evidence: '/etc/lsb-release' };
  }
  const debian = firstLine((await text(files, '/etc/debian_version')) ?? '');
  if (debian === undefined) return undefined;
  return { name: `Debian GNU/Linux ${debian}`, version: debian, evidence: '/etc/debian_version' };
}

async function hostnameOf(files: Files): Promise<string | undefined> {
  const hostname = firstLine(
    (await text(files, '/etc/hostname')) ?? (await text(files, '/etc/HOSTNAME')) ?? '',
  );
  if (hostname !== undefined) return hostname;
  // Red Hat up to 6
  return parseOsRelease((await text(files, '/etc/sysconfig/network')) ?? '').HOSTNAME;
}

const programs = [
  '/bin/sh',
  '/usr/bin/env',
  '/bin/busybox',
  '/sbin/init',
  '/usr/bin/bash',
  '/usr/lib/systemd/systemd',
];

async function architectureOf(files: Files): Promise<{ architecture?: string; program?: string }> {
  for (const program of programs) {
    const head = await files.read(program, elfHeadBytes);
    const architecture = head && elfArchitecture(head);
    if (architecture !== undefined) return { architecture, program };
  }
  return {};
}
