/** Machine files that want something else: other files, memory, time. */
import { symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openMachineDisk } from '../../../src/convert/open-machine.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { checkedMachine } from '../../../src/env-plugins/shapes.ts';
import { parseDictionary } from '../../../src/env-plugins/vmware-files/dictionary.ts';
import { vmwareFilesPlugin } from '../../../src/env-plugins/vmware-files/index.ts';
import { machineOfVmx, type Surroundings } from '../../../src/env-plugins/vmware-files/machine.ts';
import { candidatesOf } from '../../../src/env-plugins/vmware-files/read-machine.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { fixture, ownMachine } from './machine-folder.ts';

const signal = new AbortController().signal;
const connect = (folders: string): Promise<Session> => vmwareFilesPlugin().connect({ folders }, noSecrets());
const inspect = async (vmx: string) => (await connect(dirname(vmx))).source!.inspect(vmx, signal);

async function listed(session: Session): Promise<Machine[]> {
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void found.push(machine) });
  return found;
}

describe('hostile machine files', () => {
  const disk = (name: string) => ['ide0:0.present = "TRUE"', `ide0:0.fileName = "${name}"`];

  it.each(['../../etc/shadow', '/etc/passwd', '../../../../../../../../etc/passwd'])(
    'a disk "%s" is not read without the mark of an image',
    async (name) => {
      const vmx = await ownMachine(await tempFolder(), 'm', disk(name));
      const session = await connect(dirname(vmx));
      const machine = await session.source!.inspect(vmx, signal);
      const opening = openMachineDisk(session, { machine: vmx, follow: false }, machine, 'ide0:0', {
        signal,
        runId: 'test',
        spoolFolder: dirname(vmx),
      });
      await expect(opening).rejects.toMatchObject({ kind: expect.stringMatching(/unsupported|not-found/) });
      await session.close();
    },
  );

  it.each([
    ['a zero byte in a name', Buffer.from('ide0:0.present = "TRUE"\nide0:0.fileName = "a|00b.vmdk"\n')],
    [
      'a name of one megabyte',
      Buffer.from(`ide0:0.present = "TRUE"\nide0:0.fileName = "${'a'.repeat(2 ** 20)}"\n`),
    ],
    [
      'numbers beyond any machine',
      Buffer.from('memsize = "1e99"\nnumvcpus = "-5"\ncpuid.coresPerSocket = "0"\nuuid.bios = "xyz"\n'),
    ],
  ])('%s is a machine nevertheless', async (_, bytes) => {
    const vmx = await ownMachine(await tempFolder(), 'm', bytes);
    const session = await connect(dirname(vmx));
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ name: 'm', processors: { count: 1 } });
    for (const { id } of machine!.disks) {
      await expect(session.source!.open(machine!, id, signal)).rejects.toMatchObject({
        kind: expect.stringMatching(/not-found|usage|corrupt/),
      });
    }
    await session.close();
  });

  it('binary, huge, and empty ones are told of, and hide no other', async () => {
    const root = await tempFolder();
    await ownMachine(root, 'binary', Buffer.from([0, 1, 2, 3]));
    await truncate(await ownMachine(root, 'huge', Buffer.from('a = "b"\n')), 5 * 2 ** 30);
    await ownMachine(root, 'empty', Buffer.alloc(0));
    await symlink('nowhere.vmx', join(root, 'dangling.vmx'));
    await symlink('.', join(root, 'loop'));
    const session = await connect(root);
    const found = (await listed(session)).map((m) => [m.name, ...m.findings.map((f) => f.severity)]);
    expect(found).toEqual([['binary', 'blocker'], ['empty'], ['huge', 'blocker']]);
    await session.close();
  });

  it('thousands of devices and snapshots are bounded', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => [
      `scsi${i % 9}:${i}.present = "TRUE"`,
      `scsi${i % 9}:${i}.fileName = "d${i}.vmdk"`,
      `pciPassthru${i}.present = "TRUE"`,
    ]).flat();
    const vmx = await ownMachine(await tempFolder(), 'm', many);
    await writeFile(
      vmx.replace('.vmx', '.vmsd'),
      'snapshot.numSnapshots = "999999999"\nsnapshot0.uid = "1"\nsnapshot0.numDisks = "999999999"\n',
    );
    const machine = await inspect(vmx);
    expect(machine.disks.length).toBeLessThan(1025);
    expect(machine.snapshots).toHaveLength(1);
  });

  it('names of files may lead to these places', () => {
    expect(candidatesOf('a.vmdk', '/m')).toEqual(['/m/a.vmdk']);
    expect(candidatesOf('sub\\a.vmdk', '/m')).toEqual(['/m/sub\\a.vmdk', '/m/sub/a.vmdk']);
    expect(candidatesOf('C:\\x\\a.vmdk', '/m')).toEqual(['/m/C:\\x\\a.vmdk', '/m/a.vmdk']);
    expect(candidatesOf('\\\\server\\x\\a.vmdk', '/m')).toEqual(['/m/\\\\server\\x\\a.vmdk', '/m/a.vmdk']);
    expect(candidatesOf('/vmfs/volumes/x/a.vmdk', '/m')).toEqual(['/vmfs/volumes/x/a.vmdk', '/m/a.vmdk']);
    // The disk of another system is mounted here.
    expect(candidatesOf('E:\\x\\a.vmdk', '/old/VMs/m')).toEqual([
      '/old/VMs/m/E:\\x\\a.vmdk',
      ...['/old/VMs/m/a.vmdk', '/old/VMs/x/a.vmdk', '/old/x/a.vmdk'],
    ]);
    expect(candidatesOf('E:\\..\\..\\a.vmdk', '/mnt/c/m')).toEqual([
      '/mnt/c/m/E:\\..\\..\\a.vmdk',
      ...['/mnt/e/a.vmdk', '/mnt/c/m/a.vmdk', '/mnt/c/a.vmdk', '/mnt/a.vmdk'],
    ]);
    expect(candidatesOf('/a.vmdk', `/${'x/'.repeat(5000)}m`).length).toBeLessThan(20);
  });

  it('a file with any of its bytes changed is a machine, or refused in our words', async () => {
    const bytes = Buffer.from(await fixture('workstation17.vmx'));
    const around: Surroundings = {
      ...{ path: '/m/m.vmx', state: 'off', snapshots: [], hasNvram: true, findings: [] },
      locate: (name) => ({ path: name }),
    };
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = Buffer.from(bytes);
      changed[at] = (at * 131) & 0xff;
      try {
        const machine = machineOfVmx('m', parseDictionary(changed, 'm.vmx'), around);
        expect(checkedMachine(machine, 'it').disks.length).toBeLessThan(4);
      } catch (error) {
        expect(error, `byte ${at}`).toMatchObject({ kind: expect.stringMatching(/^(corrupt|unsupported)$/) });
      }
    }
  });
});
