/** Machines that are files, and packages, in a folder of a host: each step fails once, and nothing of them is left. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hostDelivery } from '../../src/env-plugins/host-delivery.ts';
import type { Delivery, DeliveryRequest } from '../../src/env-plugins/plugin.ts';
import { destinationRole as umlRole } from '../../src/env-plugins/uml/destination.ts';
import { destinationRole as vmwareRole } from '../../src/env-plugins/vmware-files/destination.ts';
import type { Host } from '../../src/io/host/host.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import type { Machine } from '../../src/model/machine.ts';
import { packAsOva } from '../../src/packages/ovf/ova-writer.ts';
import { packAsOvf } from '../../src/packages/ovf/ovf-writer.ts';
import { packAsXva } from '../../src/packages/xva/write-xva.ts';
import { tempFolder } from '../temp.ts';
import { faultyHost } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

const machine: Machine = {
  ...{ id: 'm', name: 'm', state: 'off', memoryBytes: 2 ** 30, findings: [], nics: [] },
  disks: ['a', 'b'].map((id, unit) => ({ id, name: id, files: [], bus: 'scsi', controller: 0, unit })),
};

const ids =
  /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|([0-9a-f]{2} ){7}[0-9a-f]{2}-([0-9a-f]{2} ){7}[0-9a-f]{2}/g;

type Begin = (host: Host, request: DeliveryRequest, folder: string) => Promise<Delivery>;

async function scenes(
  begin: Begin,
  names: readonly string[],
  old: Record<string, string>,
): Promise<() => Promise<Scene>> {
  const top = await tempFolder();
  return async () => {
    fill(top, old);
    return {
      files: Object.fromEntries(names.map((name) => [name, Buffer.alloc(512, name)])),
      begin(faults, signal) {
        const settings = { folder: top };
        const request = requestOf({ name: 'm', machine, settings, force: true, signal });
        return begin(faultyHost(localHost(), faults), request, top);
      },
      // Each machine gets ids of its own.
      there: async () => JSON.parse(JSON.stringify(treeOf(top)).replace(ids, 'ID')),
      run: runHere,
    };
  };
}

const vmware: Begin = async (host, request, folder) => vmwareRole(host, folder).begin(request);
const uml: Begin = async (host, request, folder) => umlRole(host, folder).begin(request);

const packed =
  (pack: typeof packAsOva, names: readonly string[]): Begin =>
  async (host, request, folder) => {
    const disks = names.map((fileName, i) => ({
      ...{ fileName, capacityBytes: 512 },
      machineDisk: machine.disks[i]!.id,
    }));
    const inner = await hostDelivery(host, join(folder, 'new'), request);
    return { ...inner, ...pack(inner, { name: 'm', machine, disks, mtimeSeconds: 1 }) };
  };

const vmdks = ['a.vmdk', 'b.vmdk'];
const raws = ['a.raw', 'b.raw'];

it.each<[string, Begin, readonly string[], Record<string, string>]>([
  ['a machine of VMware', vmware, vmdks, {}],
  ['one that is replaced', vmware, vmdks, { 'm/m.vmx': 'old', 'm/a.vmdk': 'old a', 'm/b.vmdk': 'old b' }],
  ['a machine of User Mode Linux', uml, raws, { 'a.raw': 'old a' }],
  ['an OVA', packed(packAsOva, vmdks), vmdks, { 'new/m.ova': 'old' }],
  ['an OVF', packed(packAsOvf, vmdks), vmdks, {}],
  ['an XVA', packed(packAsXva, raws), raws, {}],
])('leaves nothing of %s', async (_, begin, names, old) => {
  const steps = await sweep(await scenes(begin, names, old), { every: 5 });
  expect(steps.filter((step) => step === 'rename').length).toBeGreaterThan(0);
});
