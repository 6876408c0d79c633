/** A libvirt as destination. */
import { AppError } from '../../model/errors.ts';
import type { DestinationRole } from '../plugin.ts';
import type { Libvirt } from './connect.ts';

export function destinationRole(_libvirt: Libvirt): DestinationRole {
  const notYet = async (): Promise<never> => {
    throw new AppError('unsupported', 'not there yet');
  };
  return { check: notYet, begin: notYet };
}
