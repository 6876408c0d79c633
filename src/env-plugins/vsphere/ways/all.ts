/** Every way there is. */
import { sshWay } from './esxi-ssh.ts';
import { filesWay } from './files.ts';
import { hostWay } from './host.ts';
import { leaseWay } from './lease.ts';
import { vddkWay } from './nbdkit-vddk.ts';
import type { MakeWay } from './way.ts';

export const allWays: readonly MakeWay[] = [vddkWay, sshWay, hostWay, filesWay, leaseWay];
