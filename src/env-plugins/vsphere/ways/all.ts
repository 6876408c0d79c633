/** Every way there is. */
import { filesWay } from './files.ts';
import { hostWay } from './host.ts';
import { leaseWay } from './lease.ts';
import type { MakeWay } from './way.ts';

export const allWays: readonly MakeWay[] = [hostWay, filesWay, leaseWay];
