/** The engines there are, the preferred one first. */
import type { Engine } from '../engine.ts';
import { builtin } from './builtin/engine.ts';
import { libguestfs } from './libguestfs/engine.ts';

export const engines: readonly Engine[] = [builtin, libguestfs];
