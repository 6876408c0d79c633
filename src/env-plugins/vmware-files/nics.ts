/** The network cards of a .vmx: `ethernet0.virtualDev` and its like. Pure. */
import type { Nic } from '../../model/machine.ts';
import { type Dictionary, isTrue } from './dictionary.ts';

/** Ten in hosted products and ESXi. */
const mostNics = 10;

export function readNics(vmx: Dictionary): Nic[] {
  const nics: Nic[] = [];
  for (let n = 0; n < mostNics; n++) {
    const get = (key: string) => vmx.get(`ethernet${n}.${key}`);
    if (!isTrue(get('present'))) continue;
    const mac = macOf(get);
    nics.push({
      ...(mac === undefined ? {} : { mac }),
      network: networkOf(get),
      model: modelOf(get('virtualDev'), vmx.get('guestOS')),
      connected: get('startConnected') === undefined || isTrue(get('startConnected')),
    });
  }
  return nics;
}

type Get = (key: string) => string | undefined;

function macOf(get: Get): string | undefined {
  const own = /^(static|vpx)$/i.test(get('addressType') ?? '');
  const candidates = own
    ? [get('address'), get('generatedAddress')]
    : [get('generatedAddress'), get('address')];
  return candidates.find((text) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text ?? ''))?.toLowerCase();
}

/** ESXi and VMware Server name the network; the others say how it is joined. */
function networkOf(get: Get): string {
  const named = get('networkName') ?? '';
  if (named !== '') return named;
  // Of a distributed switch and of NSX there is but an id.
  const elsewhere = get('dvs.portgroupId') || get('opaqueNetwork.id');
  if (elsewhere) return elsewhere;
  const vnet = (get('vnet') ?? '').replace(/^\/dev\//, '');
  const type = (get('connectionType') ?? '').toLowerCase();
  if ((type === 'custom' || type === '') && vnet !== '') return vnet.toLowerCase();
  if (type === 'pvn') return get('pvnID') ?? 'pvn';
  return type || 'bridged';
}

/** Without a word it is an AMD PCnet ("flexible"), in a 64-bit guest an e1000. */
function modelOf(virtualDev: string | undefined, guestOS = ''): string {
  const model = (virtualDev ?? '').toLowerCase();
  if (model === '') return /-64$/.test(guestOS) ? 'e1000' : 'pcnet32';
  return model === 'vlance' ? 'pcnet32' : model;
}
