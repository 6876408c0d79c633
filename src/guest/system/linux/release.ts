/** What a Linux is called, and what it was built for, by the files on its root. */
import type { Files } from '../../filesystems/files.ts';
import { given } from '../../text.ts';
import { elfArchitecture, elfHeadBytes } from '../elf.ts';
import { firstLine, parseOsRelease } from '../text-files.ts';
import { textAt as text } from './guest-text.ts';

export interface Release {
  readonly name: string;
  readonly version?: string;
  /** ID and ID_LIKE of os-release, or our own word for what is older. */
  readonly distribution?: string;
  readonly like?: readonly string[];
  readonly evidence: string;
}

export async function releaseOf(files: Files): Promise<Release | undefined> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    const content = await text(files, path);
    if (content === undefined) continue;
    const { PRETTY_NAME, NAME, VERSION, VERSION_ID, ID, ID_LIKE } = parseOsRelease(content);
    const name = PRETTY_NAME || [NAME, VERSION ?? VERSION_ID].filter(Boolean).join(' ') || 'Linux';
    const like = (ID_LIKE ?? '').split(' ').filter(Boolean);
    return {
      name,
      ...given('version', VERSION_ID),
      ...given('distribution', ID),
      ...(like.length === 0 ? {} : { like }),
      evidence: path,
    };
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
    return {
      name,
      ...given('version', /\d+(?:\.\d+)*/.exec(line)?.[0]),
      ...given('distribution', olderId(name)),
      evidence: path,
    };
  }
  const lsb = await text(files, '/etc/lsb-release');
  if (lsb !== undefined) {
    const { DISTRIB_DESCRIPTION, DISTRIB_ID, DISTRIB_RELEASE } = parseOsRelease(lsb);
    const name = DISTRIB_DESCRIPTION || DISTRIB_ID;
    if (name)
      return {
        name,
        ...given('version', DISTRIB_RELEASE),
        ...given('distribution', olderId(name)),
        evidence: '/etc/lsb-release',
      };
  }
  const debian = firstLine((await text(files, '/etc/debian_version')) ?? '');
  if (debian === undefined) return undefined;
  return {
    name: `Debian GNU/Linux ${debian}`,
    version: debian,
    distribution: 'debian',
    evidence: '/etc/debian_version',
  };
}

/** As os-release calls their later versions. */
const olderIds: readonly (readonly [RegExp, string])[] = [
  [/^CentOS/i, 'centos'],
  [/^Fedora/i, 'fedora'],
  [/^Red Hat/i, 'rhel'],
  [/^Oracle|^Enterprise Linux/i, 'ol'],
  [/^Scientific/i, 'scientific'],
  [/^SUSE Linux Enterprise/i, 'sles'],
  [/^openSUSE/i, 'opensuse'],
  [/^Amazon/i, 'amzn'],
  [/^Alpine/i, 'alpine'],
  [/^Ubuntu/i, 'ubuntu'],
];

const olderId = (name: string) => olderIds.find(([mark]) => mark.test(name))?.[1];

export async function hostnameOf(files: Files): Promise<string | undefined> {
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

export async function architectureOf(files: Files): Promise<{ architecture?: string; program?: string }> {
  for (const program of programs) {
    const head = await files.read(program, elfHeadBytes);
    const architecture = head && elfArchitecture(head);
    if (architecture !== undefined) return { architecture, program };
  }
  return {};
}
