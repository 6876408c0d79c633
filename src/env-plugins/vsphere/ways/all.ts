/** Every way there is. */
import { filesWay } from './files.ts';
import type { MakeWay } from './way.ts';

export const allWays: readonly MakeWay[] = [filesWay];
