/** Puts a package around a delivery where the plan wants one, and the description of a kept copy beside it. */
import type { Delivery } from '../env-plugins/plugin.ts';
import { packedSink } from '../io/wrappers/packed-sink.ts';
import { canPack } from '../io/wrappers/packers.ts';
import { splitWrapperName } from '../io/wrappers/wrapper.ts';
import type { Plan } from '../model/plan.ts';
import { packAsOva } from '../packages/ovf/ova-writer.ts';
import { packAsOvf } from '../packages/ovf/ovf-writer.ts';
import { packAsXva } from '../packages/xva/write-xva.ts';
import type { DeliveredDisk } from './disk-digests.ts';
import { keptDelivery } from './kept-delivery.ts';
import { diskFileNames, packageFileName } from './make-plan.ts';
import type { ExtractedDisk } from './run-context.ts';
import { compressor } from './wrapped-output.ts';

export function packaged(
  plan: Plan,
  begun: Delivery,
  disks: readonly ExtractedDisk[],
  nvram?: Uint8Array,
  digests?: () => readonly DeliveredDisk[],
): Delivery {
  const { copyOf } = plan;
  const inner =
    copyOf === undefined ? begun : keptDelivery(begun, { plan: { ...plan, copyOf }, disks, nvram, digests });
  const file = packageFileName(plan);
  if (file === undefined) return inner;
  const names = diskFileNames(plan);
  const request = {
    name: file.replace(/\.(ova|ovf|xva(\.\w+)?)$/i, ''),
    machine: plan.machine,
    nvram,
    disks: disks.map(({ disk, image }, i) => ({
      fileName: names[i]!,
      capacityBytes: Math.ceil(image.size / 512) * 512,
      machineDisk: disk.id,
    })),
  };
  if (plan.destination.container === 'xva') return packAsXva(compressedAs(file, inner), request);
  return plan.destination.container === 'ova' ? packAsOva(inner, request) : packAsOvf(inner, request);
}

/** The only file of the delivery has this name, and is compressed where that says so. */
function compressedAs(file: string, inner: Delivery): Delivery {
  const { wrapper } = splitWrapperName(file);
  if (wrapper === undefined || !canPack(wrapper)) return inner;
  return {
    ...inner,
    sink: async () => packedSink(await inner.sink({ name: file }), await compressor(wrapper)),
  };
}
