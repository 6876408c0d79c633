/** The drivers of a Linux kernel that are looked for: those that any destination may need. `-` written as `_`. */
import { targetModules } from '../change/target.ts';

export const wantedDrivers: readonly string[] = targetModules;
