/** A Hyper-V host as destination: disks in a folder of it, and a machine of them. */
import { formatBytes } from '../../model/units.ts';
import type { DestinationRole, Field } from '../plugin.ts';
import { checkDelivery } from './check-delivery.ts';
import { beginDelivery } from './delivery.ts';
import { hardwareOf } from './fit-machine.ts';
import { type HostPlaces, readHost } from './places.ts';
import type { Transport } from './transport.ts';

export const destinationRole = (transport: Transport): DestinationRole => ({
  product: 'hyperv',
  formats: ['vhdx', 'vhd'],
  fields: async (signal) => fieldsFor(await readHost(transport, signal)),
  networks: async (signal) => [...(await readHost(transport, signal)).switches],
  hardware: async ({ machine, settings, signal }) =>
    hardwareOf(machine, settings, await readHost(transport, signal)),
  check: async (request, files, bytes) =>
    checkDelivery(await readHost(transport, request.signal), request, files, bytes),
  begin: (request) => beginDelivery(transport, request),
});

function fieldsFor({ machinePath, drives, switches }: HostPlaces): Field[] {
  const free = drives.slice(0, 26).map(({ root, freeBytes }) => `${root} ${formatBytes(freeBytes)} free`);
  return [
    {
      key: 'folder',
      label: 'Folder',
      help: `the machine gets a folder of its own in it; ${free.join(', ')}`,
      kind: 'text',
      required: false,
      ...(machinePath === '' ? {} : { default: machinePath }),
    },
    {
      key: 'network',
      label: 'Virtual switch',
      help: 'for each adapter whose own network is not there',
      kind: 'choice',
      required: false,
      choices: switches,
      ...(switches.length === 0 ? {} : { default: switches[0]! }),
    },
    {
      key: 'keepMac',
      label: 'Keep MAC addresses',
      help: 'no: each adapter gets a new one, as is right for a copy beside the original',
      kind: 'boolean',
      required: false,
      default: 'yes',
    },
    {
      key: 'secureBoot',
      label: 'Secure Boot',
      help: 'automatic: as the machine has it; linux, windows: on, with the template for it',
      kind: 'choice',
      required: false,
      choices: ['automatic', 'off', 'linux', 'windows'],
      default: 'automatic',
    },
  ];
}
