/** The machines of a libvirt as source. A machine's id is its UUID. */
import { AppError } from '../../model/errors.ts';
import type { SourceRole } from '../plugin.ts';
import type { Libvirt } from './connect.ts';

export function sourceRole(_libvirt: Libvirt): SourceRole {
  const notYet = async (): Promise<never> => {
    throw new AppError('unsupported', 'not there yet');
  };
  return { list: notYet, inspect: notYet, open: notYet };
}
