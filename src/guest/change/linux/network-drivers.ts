/** A network card that the guest's kernel can't drive: the guest starts, and is not reached. */
import type { Finding } from '../../../model/finding.ts';
import { type GuestTarget, networkModules } from '../target.ts';
import type { LinuxChange } from './context.ts';

/** Cards that any hypervisor may emulate, the best first; others are there in one environment only. */
const offered = ['virtio', 'vmxnet3', 'e1000e', 'e1000', 'rtl8139', 'pcnet32'] as const;

export const findNetworkDrivers: LinuxChange = async (_tree, { system, target, wish }) => {
  if (wish.kernel !== undefined && system.bootloader === undefined) return [];
  const kernel = system.bootKernels?.find(({ isDefault }) => isDefault);
  const drivers = kernel?.drivers;
  if (kernel === undefined || drivers === undefined) return [];
  return lackingNetwork(kernel.version, target, (name) => drivers[name] === 'missing');
};

/** `lacks`: the kernel is known to have it nowhere. */
export function lackingNetwork(
  version: string,
  { nics }: Pick<GuestTarget, 'nics'>,
  lacks: (module: string) => boolean,
): Finding[] {
  const models = [...new Set(nics.map(({ model }) => model))];
  return models.flatMap((model): Finding[] => {
    if (model === undefined) return [];
    const lacking = networkModules({ nics: [{ model }] }).filter(lacks);
    if (lacking.length === 0) return [];
    const others = offered.filter((other) => !networkModules({ nics: [{ model: other }] }).some(lacks));
    return [
      {
        rule: 'guest.nic-driver-missing',
        severity: 'warning',
        message: `kernel ${version} has no driver ${lacking.join(', ')}: it would have no network by a card of model ${model}`,
        evidence: version,
        remedy: remedy(others),
      },
    ];
  });
}

function remedy(others: readonly string[]): string {
  const install = 'install a kernel with it in the guest (linux-image-amd64, not a cloud one)';
  const [best, ...rest] = others;
  if (best === undefined) return install;
  const also = rest.length === 0 ? '' : ` (it also has drivers for ${rest.join(', ')})`;
  return `choose another model that the destination offers: --nic-model ${best}${also}; or ${install}`;
}
