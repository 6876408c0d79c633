/** The engines there are, the preferred one first. */
import type { Engine } from '../engine.ts';
import { builtin } from './builtin/engine.ts';

export const engines: readonly Engine[] = [builtin];
