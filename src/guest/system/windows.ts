/** A Windows, by its registry and the files of its system volume. */
import type { GuestMountSpace, InstalledSystem, WindowsFacts } from '../../model/guest-report.ts';
import type { GuestMount } from '../guest.ts';
import { addFinding, orFinding } from '../looking.ts';
import type { MountedFiles } from '../mounted-files.ts';
import { given } from '../text.ts';
import type { SystemContext } from './read-system.ts';
import { hiveAt } from './windows/hives.ts';
import { readPrograms, readRelease } from './windows/software.ts';
import { readMachine, type WindowsMachine } from './windows/system-hive.ts';

/** Undefined where it is none: data of a Windows has no registry. */
export async function windowsSystem(
  files: MountedFiles<GuestMount>,
  context: SystemContext,
): Promise<InstalledSystem | undefined> {
  const { looking, root, filesOnly } = context;
  if ((await files.stat('/Windows/System32/config'))?.kind !== 'folder') return undefined;
  const part = <T>(step: () => Promise<T>) => orFinding(looking, root.name, step);
  const software = await part(() => hiveAt(files, 'SOFTWARE'));
  const release = software && (await part(() => readRelease(software)));
  const base = {
    name: release?.name ?? 'Windows',
    family: 'windows' as const,
    ...given('version', release?.facts.version),
    rootPartition: root.partition?.number ?? 0,
    confidence: release === undefined ? ('medium' as const) : ('high' as const),
    evidence: ['/Windows/System32/config', ...(release === undefined ? [] : ['its SOFTWARE hive'])],
    kernels: [],
    mounts: [],
  };
  if (filesOnly) return base;
  const system = await part(() => hiveAt(files, 'SYSTEM'));
  const machine = system && (await part(() => readMachine(system)));
  const tools = (software && (await part(() => readPrograms(software)))) ?? [];
  const windows = factsOf(release?.facts, machine, await isHibernated(files));
  tell(context, windows);
  return {
    ...base,
    ...given('architecture', machine?.architecture ?? (await architectureByFolders(files))),
    ...given('hostname', machine?.hostname),
    bootloader: { kind: 'windows' },
    ...(machine === undefined || machine.interfaces.length === 0 ? {} : { interfaces: machine.interfaces }),
    ...(tools.length === 0 ? {} : { tools }),
    ...(machine === undefined || machine.services.length === 0 ? {} : { services: machine.services }),
    space: files.mounts.map(spaceOf),
    windows,
  };
}

function factsOf(
  release: Partial<WindowsFacts> | undefined,
  machine: WindowsMachine | undefined,
  hibernated: boolean,
): WindowsFacts {
  const { pendingRenames = false, ...facts } = machine?.facts ?? { drivers: [] };
  return {
    ...release,
    ...facts,
    hibernated,
    pendingUpdates: release?.pendingUpdates === true || pendingRenames,
  };
}

const spaceOf = ({ mountPoint, kind, files: { facts } }: GuestMount): GuestMountSpace => ({
  mountPoint,
  kind,
  ...given('freeBytes', facts.freeBytes),
});

/** The file stays when Windows is started again; its head is then wiped or says that it was restored. */
async function isHibernated(files: MountedFiles<GuestMount>): Promise<boolean> {
  const head = await files.read('/hiberfil.sys', 4);
  return head !== undefined && /^hibr$/i.test(head.toString('latin1'));
}

async function architectureByFolders(files: MountedFiles<GuestMount>): Promise<string | undefined> {
  return (await files.stat('/Windows/SysWOW64')) === undefined ? undefined : 'x86_64';
}

function tell({ looking, root }: SystemContext, facts: WindowsFacts): void {
  const evidence = root.name;
  if (facts.pendingUpdates === true)
    addFinding(looking, 'pending-updates', 'warning', 'updates of Windows wait for a restart', {
      evidence,
      remedy: 'restart it and let them end before it is carried',
    });
  if (facts.fastStartup === true && facts.hibernated !== true)
    addFinding(looking, 'fast-startup', 'note', 'Fast Startup is on: a shutdown may leave it hibernated', {
      evidence,
      remedy: 'shut it down with "shutdown /s /t 0", or switch Fast Startup off',
    });
}
