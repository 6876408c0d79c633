/** A Linux system, by the files on all its mounts. */
import type { GuestMountSpace, InstalledSystem } from '../../model/guest-report.ts';
import type { GuestMount } from '../guest.ts';
import { orFinding } from '../looking.ts';
import type { MountedFiles } from '../mounted-files.ts';
import { given, plainText } from '../text.ts';
import { readBootloader } from './linux/bootloader.ts';
import { textAt } from './linux/guest-text.ts';
import { readInterfaces } from './linux/interfaces.ts';
import { readKernels } from './linux/kernels.ts';
import { readPackages } from './linux/packages.ts';
import { architectureOf, hostnameOf, releaseOf } from './linux/release.ts';
import { readCloudInit, readInit, readSelinux, readServices } from './linux/running.ts';
import { isTools, readTools } from './linux/tools.ts';
import type { SystemContext } from './read-system.ts';
import { parseFstab } from './text-files.ts';

/** The system whose root this is, or undefined when it is none. A part that is broken is left out, with a finding. */
export async function linuxSystem(
  files: MountedFiles<GuestMount>,
  context: SystemContext,
): Promise<InstalledSystem | undefined> {
  const release = await releaseOf(files);
  if (release === undefined) return undefined;
  const { looking, root, thorough, filesOnly } = context;
  const part = <T>(step: () => Promise<T>) => orFinding(looking, root.name, step);
  const fstab = await part(() => textAt(files, '/etc/fstab', 256 * 1024));
  const { architecture, program } = (await part(() => architectureOf(files))) ?? {};
  const base = {
    name: release.name,
    family: 'linux' as const,
    ...given('version', release.version),
    ...given('architecture', architecture),
    ...given('distribution', release.distribution),
    ...given('like', release.like),
    rootPartition: root.partition?.number ?? root.inside[0]?.partition?.number ?? 0,
    confidence: 'high' as const,
    evidence: [
      release.evidence,
      ...(program === undefined ? [] : [program]),
      ...(fstab === undefined ? [] : ['/etc/fstab']),
    ],
    kernels: [],
    mounts: fstab === undefined ? [] : parseFstab(fstab),
  };
  if (filesOnly) return base;
  const { bootloader, entries } = (await part(() => readBootloader(files))) ?? { entries: [] };
  const kernels = (await part(() => readKernels(files, { entries, looking, thorough }))) ?? [];
  const packages = await part(() => readPackages(files, (name) => name === 'cloud-init' || isTools(name)));
  const installed = packages?.entries ?? [];
  const line = bootloader?.arguments ?? '';
  const hasCloudInit = installed.some(({ name }) => name === 'cloud-init');
  const interfaces = await readInterfaces(files, part);
  const tools = (await part(() => readTools(files, installed))) ?? [];
  const services = (await part(() => readServices(files))) ?? [];
  return {
    ...base,
    ...given('hostname', await part(() => hostnameOf(files))),
    ...given('init', await part(() => readInit(files))),
    ...unlessEmpty('bootKernels', kernels),
    ...given('bootloader', bootloader),
    ...unlessEmpty('interfaces', interfaces),
    ...unlessEmpty('tools', tools),
    ...given('cloudInit', await part(() => readCloudInit(files, hasCloudInit, line))),
    ...given('selinux', await part(() => readSelinux(files, line))),
    ...(packages === undefined ? {} : { packages: { kind: packages.kind, count: packages.count } }),
    ...unlessEmpty('services', services),
    ...unlessEmpty('space', spaceOf(files.mounts)),
    kernels: [...new Set(kernels.map(({ version }) => version))],
  };
}

const unlessEmpty = <K extends string, V>(key: K, list: readonly V[]) =>
  given(key, list.length === 0 ? undefined : list);

const spaceOf = (mounts: readonly GuestMount[]): GuestMountSpace[] =>
  mounts.map(({ mountPoint, kind, files: { facts } }) => ({
    mountPoint: plainText(mountPoint, 1024),
    kind,
    ...given('freeBytes', facts.freeBytes),
    ...given('freeInodes', facts.freeInodes),
  }));
