/** A plan may come from a file: what the rest counts on is looked at again. */
import { codecById } from '../codecs/registry.ts';
import { AppError } from '../model/errors.ts';
import { resolveOptions } from '../model/options.ts';
import type { Plan } from '../model/plan.ts';
import { refuseBacking } from './backing.ts';

/** With all options of its format. @throws AppError `usage`. */
export function withCheckedOptions(plan: Plan): Plan {
  const { destination } = plan;
  const encoder = codecById(destination.format).encoder;
  if (encoder === undefined) throw new AppError('usage', `${destination.format} can be read but not written`);
  const options = resolveOptions(encoder.options, destination.options);
  const { container, format } = destination;
  const packed =
    container === 'xva' ? format === 'raw' : format === 'vmdk' && options.subformat === 'streamOptimized';
  if (container !== 'disks' && !packed) {
    const held = container === 'xva' ? 'raw disks' : 'streamOptimized VMDK';
    throw new AppError('usage', `an ${container.toUpperCase()} holds ${held} only`, {
      hint: 'make the plan anew with "vmferry plan"',
    });
  }
  refuseBacking(plan);
  return { ...plan, destination: { ...destination, options } };
}
