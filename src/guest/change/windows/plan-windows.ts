/** All changes of a Windows for its destination. They are made through libguestfs: nothing else here writes NTFS. */
import type { Finding } from '../../../model/finding.ts';
import { hiveAt, number } from '../../system/windows/hives.ts';
import type { PlannedTree } from '../tree.ts';
import type { WindowsChange, WindowsContext, WindowsRequest } from './context.ts';
import { openDriverFolder } from './driver-folder.ts';
import { copyDrivers } from './drivers.ts';
import { addFallbackLoader } from './efi.ts';
import { addFirstBoot } from './first-boot.ts';
import { refusals } from './refusals.ts';
import { releaseOf } from './release.ts';
import { startFromDisk } from './storage.ts';

const needed: readonly WindowsChange[] = [startFromDisk, copyDrivers, addFallbackLoader];

/** @throws AppError, also for drivers that can't be read. */
export async function planWindows(tree: PlannedTree, request: WindowsRequest): Promise<Finding[]> {
  const { wish, system, files, signal } = request;
  const refused = refusals(request);
  if (refused.length > 0) return refused;
  const context = await contextOf(request);
  if (context === undefined) return [tooLittle(system.name)];
  const drivers =
    wish.windowsDrivers === undefined ? undefined : await openDriverFolder(wish.windowsDrivers, signal);
  const full: WindowsContext = { ...context, files, ...(drivers === undefined ? {} : { drivers }) };
  const findings = notHere(request);
  for (const family of [...(wish.changes === 'needed' ? needed : []), addFirstBoot])
    findings.push(...(await family(tree, full)));
  return findings;
}

async function contextOf(request: WindowsRequest): Promise<WindowsContext | undefined> {
  const release = releaseOf(request.system);
  const systemHive = await hiveAt(request.files, 'SYSTEM');
  const softwareHive = await hiveAt(request.files, 'SOFTWARE');
  if (release === undefined || systemHive === undefined || softwareHive === undefined) return undefined;
  const current = await number(await systemHive.key('Select'), 'Current');
  if (current === undefined || current < 1 || current > 999) return undefined;
  const controlSet = `ControlSet${String(current).padStart(3, '0')}`;
  if ((await systemHive.key(controlSet)) === undefined) return undefined;
  return { ...request, release, systemHive, softwareHive, controlSet };
}

/** Of what can be asked for, what is Linux's alone. */
function notHere({ wish, system }: WindowsRequest): Finding[] {
  const { hostname, sshKeys, passwordsOf, copies, cloudInit } = wish.add ?? {};
  const asked = { hostname, sshKeys, passwordsOf, copies, cloudInit };
  const names = Object.entries(asked).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (names.length === 0) return [];
  return [
    {
      rule: 'guest.windows-additions',
      severity: 'blocker',
      message: `${system.name}: this is not added to a Windows: ${names.join(', ')}`,
      remedy: 'leave it out, or do it in a script of the first start (.ps1, .cmd)',
    },
  ];
}

const tooLittle = (name: string): Finding => ({
  rule: 'guest.not-changed',
  severity: 'blocker',
  message: `${name}: its release, architecture or current control set is not known, so nothing is changed in it`,
  remedy: 'see that it starts and shuts down well where it is, or leave the changes out (--changes none)',
});
