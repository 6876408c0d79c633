/** What a destination is asked for, of a plan and its open disks. */
import type { OpenImage } from '../codecs/codec.ts';
import type { DestinationRole, Session } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import { networkThere } from '../model/network-names.ts';
import type { Plan } from '../model/plan.ts';
import type { CheckedRequest } from './check-plan.ts';
import { filesOf } from './open-image.ts';

/**
 * What a destination is asked for. A network that it doesn't have is replaced by the one that its own form names
 * for that (`network`), else by its first one.
 */
export async function requestOf(
  plan: Plan,
  images: readonly { readonly id: string; readonly image: OpenImage }[],
  role: DestinationRole,
  runId: string,
  signal: AbortSignal,
): Promise<CheckedRequest> {
  const { source, destination, force, sync } = plan;
  const named = [source.machine, ...plan.machine.disks.flatMap((disk) => disk.files)];
  // Of another host only what has the same name for the same place can be known to be the same.
  const here = (source.settings.host ?? '') === (destination.settings.host ?? '');
  const reading = here ? [...named, ...images.flatMap(({ image }) => filesOf(image.info))] : [];
  const networks = await role.networks?.(signal);
  const { settings } = destination;
  const machine = withSizes(withNetworks(plan.machine, networks, settings.network), images);
  return {
    ...{ name: machine.name, machine, settings, force, sync, reading, runId, signal },
    ...(networks === undefined ? {} : { networks }),
  };
}

/** As the open images tell them; of one that could not be opened, what its environment said. */
function withSizes(
  machine: Machine,
  images: readonly { readonly id: string; readonly image: OpenImage }[],
): Machine {
  const sizes = new Map(images.map(({ id, image }) => [id, image.size]));
  const disks = machine.disks.map((disk) => {
    const virtualSizeBytes = sizes.get(disk.id);
    return virtualSizeBytes === undefined ? disk : { ...disk, virtualSizeBytes };
  });
  return { ...machine, disks };
}

function withNetworks(
  machine: Machine,
  networks: readonly string[] | undefined,
  wanted: string | undefined,
): Machine {
  const usual = networks?.find((name) => name === wanted) ?? networks?.[0];
  if (usual === undefined) return machine;
  const nics = machine.nics.map((nic) =>
    nic.network === undefined ? nic : { ...nic, network: networkThere(networks ?? [], nic.network) ?? usual },
  );
  return { ...machine, nics };
}

export function destinationOf(session: Session): DestinationRole {
  if (session.destination === undefined)
    throw new AppError('usage', 'this environment is no destination with these settings', {
      hint: 'name its host with --to-set host=NAME; "vmferry environments" says what comes from where and goes to where',
    });
  return session.destination;
}
