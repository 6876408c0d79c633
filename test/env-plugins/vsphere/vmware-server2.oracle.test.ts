/** pyVmomi holds the fake of VMware Server 2, and what our client asks old servers for, against the vendor's types. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { machinePaths } from '../../../src/env-plugins/vsphere/machine.ts';
import { setsBefore40 } from '../../../src/env-plugins/vsphere/places.ts';
import { describeWith } from '../../oracles/requires.ts';
import { pyvmomiTools } from '../../servers/vcsim.ts';
import { startVmwareServer2 } from '../../servers/vmware-server2.ts';

const run = promisify(execFile);

async function python(lines: readonly string[], input: object): Promise<unknown> {
  const code = ['import json, os, ssl', 'given = json.loads(os.environ["GIVEN"])', ...lines];
  const { stdout } = await run('/usr/bin/python3', ['-W', 'ignore', '-c', code.join('\n')], {
    env: { ...process.env, GIVEN: JSON.stringify(input) },
  });
  return JSON.parse(stdout);
}

describeWith(pyvmomiTools, 'pyVmomi', () => {
  it('reads the fake as VMware Server 2, by its own traversal', async () => {
    const { port, user, password } = await startVmwareServer2({ snapshot: true });
    const found = await python(
      [
        'from pyVmomi import vim, vmodl, SoapAdapter',
        'stub = SoapAdapter.SoapStubAdapter("127.0.0.1", given["port"], version="vim.version.version4", path="/sdk", sslContext=ssl._create_unverified_context())',
        'c = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()',
        'c.sessionManager.Login(given["user"], given["password"])',
        'q = vmodl.query.PropertyCollector',
        'sel = lambda name: q.SelectionSpec(name=name)',
        'tr = lambda name, type, path, *then: q.TraversalSpec(name=name, type=type, path=path, skip=False, selectSet=[sel(t) for t in then])',
        'steps = [tr("down", vim.Folder, "childEntity", "down", "vms"), tr("vms", vim.Datacenter, "vmFolder", "down")]',
        'props = ["name", "config.hardware", "layout", "snapshot", "runtime.powerState", "datastore"]',
        'spec = q.FilterSpec(propSet=[q.PropertySpec(type=vim.VirtualMachine, pathSet=props, all=False)], objectSet=[q.ObjectSpec(obj=c.rootFolder, skip=False, selectSet=steps)])',
        'out = [c.about.apiVersion, c.viewManager is None]',
        'for o in c.propertyCollector.RetrieveContents([spec]):',
        '    p = {x.name: x.val for x in o.propSet}',
        '    disk = [d for d in p["config.hardware"].device if isinstance(d, vim.vm.device.VirtualDisk)][0]',
        '    out.append([o.obj._moId, p["name"], disk.backing.fileName, disk.capacityInKB, p["layout"].disk[0].diskFile[0], [s.name for s in p["snapshot"].rootSnapshotList] if "snapshot" in p else None])',
        'print(json.dumps(out))',
      ],
      { port, user, password },
    );
    expect(found).toEqual([
      '2.5',
      true,
      [
        '16',
        'mail',
        '[standard] mail/mail-000001.vmdk',
        4096,
        '[standard] mail/mail.vmdk',
        ['before the update'],
      ],
      ['32', 'files', '[standard] files/files.vmdk', 4096, '[standard] files/files.vmdk', null],
    ]);
  });

  it('knows each property that is asked for, in each version of the API', async () => {
    const versions = ['2.5', '4.0', '4.1', '5.0', '5.1', '5.5', '6.0', '6.5', '6.7'];
    const wrong = await python(
      [
        'from pyVmomi import vim',
        'from pyVmomi.VmomiSupport import versionIdMap, IsChildVersion, GetVmodlType',
        'ids = {v: k for k, v in versionIdMap.items() if k.startswith("vim.version.version")}',
        'wrong = []',
        'for version, type, path in given:',
        '    at = GetVmodlType("vim." + type)',
        '    for part in path.split("."):',
        '        info = at._GetPropertyInfo(part)',
        '        if not IsChildVersion(ids[version], info.version): wrong.append([version, type, path, info.version])',
        '        at = info.type',
        'print(json.dumps(wrong))',
      ],
      [
        ...versions.flatMap((version) =>
          machinePaths(version).map((path) => [version, 'VirtualMachine', path]),
        ),
        ...setsBefore40.flatMap(({ type, paths }) => paths.map((path) => ['2.5', type, path])),
        ['2.5', 'VirtualMachine', 'capability.multipleSnapshotsSupported'],
      ],
    );
    expect(wrong).toEqual([]);
  });
});
