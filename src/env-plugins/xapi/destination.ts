/** A pool as destination: disks in a storage repository, and a machine of them. */
import { formatBytes } from '../../model/units.ts';
import type { DestinationRole, Field } from '../plugin.ts';
import { checkDelivery } from './check-delivery.ts';
import { beginDelivery } from './delivery.ts';
import { readPlaces } from './places.ts';
import type { XapiSession } from './session.ts';

export function destinationRole(session: XapiSession): DestinationRole {
  return {
    product: 'xen',
    formats: ['raw'],
    // A disk is sent as one, and its zeros are not.
    options: { raw: { preallocation: 'off', splitSize: 0 } },
    fields: (signal) => fieldsOf(session, signal),
    networks: async (signal) => [...(await readPlaces(session, signal)).networks.keys()],
    // The emulated controller is there for the first moments; then the guest has Xen's own disks and cards.
    hardware: async ({ machine }) => ({
      disks: machine.disks.map(({ controllerModel: _other, ...disk }) => ({ ...disk, bus: 'xen' as const })),
      nics: machine.nics.map((nic) => ({ ...nic, model: 'xen' })),
      firmware: machine.firmware ?? { kind: 'bios' },
    }),
    async check(request, files, bytes) {
      return checkDelivery(await readPlaces(session, request.signal), request, files, bytes);
    },
    begin: (request) => beginDelivery(session, request),
  };
}

async function fieldsOf(session: XapiSession, signal: AbortSignal): Promise<Field[]> {
  const { repositories, networks } = await readPlaces(session, signal);
  const choice = (key: string, label: string, help: string, choices: readonly string[]): Field => ({
    key,
    label,
    help,
    kind: 'choice',
    required: false,
    choices,
    ...(choices.length === 0 ? {} : { default: choices[0]! }),
  });
  const free = [...repositories].slice(0, 20).map(([label, { kind, freeBytes }]) => {
    const left = freeBytes === undefined ? 'free space unknown' : `${formatBytes(freeBytes)} free`;
    return `${label}: ${kind}, ${left}`;
  });
  return [
    choice('sr', 'Storage repository', `where the disks go; ${free.join('; ')}`, [...repositories.keys()]),
    choice('network', 'Network', 'for each NIC whose own network is not there', [...networks.keys()]),
    {
      key: 'keepMac',
      label: 'Keep MAC addresses',
      help: 'no: each NIC gets a new one, as is right for a copy beside the original',
      kind: 'boolean',
      required: false,
      default: 'yes',
    },
    choice(
      'transfer',
      'Transfer',
      'disks: each by itself; xva: the whole machine as one import, with checksums',
      ['disks', 'xva'],
    ),
    choice('nvram', 'UEFI variables', "carry: the machine's own, where they are Xen's; new: none", [
      'carry',
      'new',
    ]),
  ];
}
