/** Disks served to programs of this computer, until the command is taken back. */
import { serveMachine } from '../../convert/serve-machine.ts';
import type { Effect } from '../dispatcher.ts';
import { trustOf } from './connection.ts';
import { sessionOf, stepReporter } from './looking.ts';

export const serve: Effect<'serve-machine'> = async ({ id, disks, listen, writable }, context) => {
  const { emit, signal, services } = context;
  const { session, settings } = sessionOf(context);
  await serveMachine(session, id, {
    how: trustOf(settings),
    signal,
    writable,
    ...(disks === undefined ? {} : { disks }),
    ...(listen === undefined ? {} : { listen }),
    report: stepReporter((step) => emit({ type: 'machine-look', id, ...step })),
    holding: (held) => {
      context.live.held += held ? 1 : -1;
    },
    remark: (text) => emit({ type: 'serve-remark', machine: id, text: services.redactor.redact(text) }),
    served: (disk) => emit({ type: 'disk-served', machine: id, ...disk }),
  });
};
