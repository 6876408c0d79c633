/** All changes of a Linux guest for its destination, in the order in which they build on each other. */
import type { Finding } from '../../../model/finding.ts';
import { makeBareRootStart } from '../boot/bare-root.ts';
import type { PlannedTree } from '../tree.ts';
import { copyFiles } from './additions/copies.ts';
import { setHostname } from './additions/hostname.ts';
import { setPasswords } from './additions/passwords.ts';
import { addSshKeys } from './additions/ssh-keys.ts';
import { forgetHardware } from './caches.ts';
import { settleCloudInit } from './cloud-init.ts';
import { addSerialConsole, leaveXenConsole } from './console.ts';
import type { LinuxChange, LinuxContext } from './context.ts';
import { changeDeviceNames } from './device-names.ts';
import { addFallbackLoader } from './efi-loader.ts';
import { addFirstBoot } from './first-boot/first-boot.ts';
import { disableForeignTools } from './foreign-tools.ts';
import { addBootDrivers } from './initramfs-drivers.ts';
import { findNetworkDrivers } from './network-drivers.ts';
import { keepNetworkNames } from './network-names.ts';
import { relabel } from './selinux.ts';
import { stableNames } from './stable-names.ts';

const needed: readonly LinuxChange[] = [
  makeBareRootStart,
  (tree, { volumes, moves, target }) => changeDeviceNames(tree, stableNames(volumes, moves), target),
  addBootDrivers,
  addFallbackLoader,
  findNetworkDrivers,
  keepNetworkNames,
  leaveXenConsole,
  forgetHardware,
  disableForeignTools,
];

const asked: readonly LinuxChange[] = [
  addSerialConsole,
  settleCloudInit,
  setHostname,
  addSshKeys,
  setPasswords,
  copyFiles,
  addFirstBoot,
];

export async function planLinux(tree: PlannedTree, context: LinuxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const families = [...(context.wish.changes === 'needed' ? needed : []), ...asked, relabel];
  for (const family of families) findings.push(...(await family(tree, context)));
  return findings;
}
