/** A real libvirt: commands and files of a delivery fail, and neither a volume nor a machine of it is left. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { libvirtOn } from '../../src/env-plugins/libvirt/connect.ts';
import { destinationRole } from '../../src/env-plugins/libvirt/destination.ts';
import type { Host } from '../../src/io/host/host.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import type { Machine } from '../../src/model/machine.ts';
import { plainUserHost, type TestPool, testPool } from '../env-plugins/libvirt/destination-pool.ts';
import { describeWith } from '../oracles/requires.ts';
import { type Libvirtd, libvirtdTools, useLibvirtd } from '../servers/libvirtd.ts';
import { faultyHost } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

const machine: Machine = {
  ...{ id: 'm', name: "m's", state: 'off', findings: [], nics: [] },
  disks: ['a', 'b'].map((id) => ({ id, name: id, files: [] })),
};
const files = { 'a.raw': Buffer.alloc(1024, 1), 'b.raw': Buffer.alloc(1024, 2) };
const old = { 'a.raw': 'old a', 'b.raw': 'old b', other: 'x' };

const oldMachine = (pool: TestPool) =>
  `<domain type='qemu'><name>m's</name><memory>65536</memory><os><type>hvm</type></os><devices><disk type='file'>
  <source file='${join(pool.folder, 'a.raw').replaceAll('&', '&amp;').replaceAll("'", '&apos;')}'/><target dev='vda'/></disk></devices></domain>`;

/** Machines by name with what tells the old one from a new one; volumes as libvirt knows them, and the folder's files. */
async function thereIs({ virsh }: Libvirtd, pool: TestPool): Promise<unknown> {
  const machines: string[] = [];
  for (const name of (await pool.domains()).sort()) {
    const xml = await virsh('dumpxml', '--inactive', `--domain=${name}`);
    machines.push(`${name}, ${/<memory[^>]*>(\d+)/.exec(xml)?.[1]} KiB`);
  }
  await virsh('pool-refresh', `--pool=${pool.name}`);
  const volumes = (await virsh('vol-list', `--pool=${pool.name}`)).split('\n').map((line) => line.trim());
  return { machines, volumes: volumes.map((line) => line.split('  ')[0]), files: treeOf(pool.folder) };
}

async function scenes(
  libvirtd: Libvirtd,
  host: Host,
  before: Record<string, string>,
): Promise<() => Promise<Scene>> {
  const pool = await testPool(libvirtd, { host });
  const { virsh, uri, define } = libvirtd;
  return async () => {
    for (const name of await pool.domains()) await virsh('undefine', `--domain=${name}`);
    await rm(join(pool.folder, 'a.raw'), { force: true });
    fill(pool.folder, before);
    if (Object.keys(before).length > 0) await define(oldMachine(pool));
    await virsh('pool-refresh', `--pool=${pool.name}`);
    return {
      files,
      begin: (faults, signal) =>
        destinationRole(libvirtOn(faultyHost(host, faults), uri)).begin(
          requestOf({ name: machine.name, machine, settings: pool.settings, force: true, signal }),
        ),
      there: () => thereIs(libvirtd, pool),
      run: runHere,
    };
  };
}

describeWith([...libvirtdTools, 'setpriv'], 'a libvirt', () => {
  const libvirtd = useLibvirtd();

  it('has nothing of a new machine, written to the folder of its pool', async () => {
    const steps = await sweep(await scenes(libvirtd(), localHost(), {}), { every: 16 });
    expect(steps.filter((step) => step === 'rename')).toHaveLength(2);
  });

  it('has the machine back that was to be replaced', async () => {
    const steps = await sweep(await scenes(libvirtd(), localHost(), old), { every: 16 });
    expect(steps.filter((step) => /domrename|undefine/.test(step)).length).toBeGreaterThan(0);
  });

  it('has the machine back that a killed run had put aside', async () => {
    const { virsh, uri, define } = libvirtd();
    const pool = await testPool(libvirtd());
    const runId = '20260101-000000-abcd';
    fill(pool.folder, old);
    await define(oldMachine(pool));
    const before = await thereIs(libvirtd(), pool);
    await virsh('domrename', `--domain=m's`, `--new-name=m's.vmferry-${runId}.replaced`);
    const part = join(pool.folder, `.a.raw.vmferry-${runId}.part`);
    await rename(join(pool.folder, 'a.raw'), `${part}.replaced`);
    await writeFile(join(pool.folder, 'a.raw'), 'new');
    const request = requestOf({ name: machine.name, machine, settings: pool.settings, force: true });
    const role = destinationRole(libvirtOn(localHost(), uri));
    const delivery = await role.begin({ ...request, resume: true });
    await delivery.sink({ name: 'a.raw', begun: true });
    expect(await delivery.rollback()).toEqual([]);
    expect(await thereIs(libvirtd(), pool)).toEqual(before);
  });

  it('has nothing of a new machine, written through it', async () => {
    const steps = await sweep(await scenes(libvirtd(), plainUserHost(), {}), { every: 16 });
    expect(steps.filter((step) => step.startsWith('spawn')).length).toBeGreaterThan(1);
  });
});
