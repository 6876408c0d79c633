import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backingFindings, openBacking, refuseBacking, withBacking } from '../../src/convert/backing.ts';
import { makePlan, type PlanRequest } from '../../src/convert/make-plan.ts';
import { parsePlan } from '../../src/convert/parse-plan.ts';
import type { Connector } from '../../src/convert/sessions.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Plan } from '../../src/model/plan.ts';
import { tempFolder } from '../temp.ts';

const machine: Machine = {
  id: '/x/web.raw',
  name: 'web',
  state: 'off',
  disks: [{ id: 'disk0', name: 'web.raw', files: ['/x/web.raw'] }],
  nics: [],
  findings: [],
};
const request: PlanRequest = {
  source: { environment: 'local', settings: {}, machine: machine.id, follow: false },
  machine,
  product: 'files',
  folder: '/out',
  format: 'qcow2',
  options: {},
  backing: '/x/base.qcow2',
  force: false,
  sync: false,
};
const { signal } = new AbortController();
const connect: Connector = (wanted) =>
  localPlugin({ imageExtensions: ['raw'] }).connect(wanted.settings, {
    signal,
    secret: () => Promise.reject(new Error('none')),
    report: () => undefined,
    confirm: async () => false,
  });

const over = (plan: Plan, folder: string, backing: string): Plan => ({
  ...plan,
  destination: { ...plan.destination, settings: { folder }, backing },
});

describe('a plan with a backing image', () => {
  it('says so, also after it was JSON', () => {
    const plan = makePlan(request);
    expect(plan.destination.backing).toBe('/x/base.qcow2');
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  it.each<[string, Partial<PlanRequest>]>([
    ['a format without', { format: 'vmdk' }],
    ['an OVA', { container: 'ova', format: 'vmdk' }],
    [
      'several disks',
      { machine: { ...machine, disks: [...machine.disks, { ...machine.disks[0]!, id: 'b' }] } },
    ],
  ])('refuses %s', (_, change) => {
    expect(() => makePlan({ ...request, ...change })).toThrow(expect.objectContaining({ kind: 'usage' }));
  });

  it('refuses it where the result is not a file here', () => {
    const plan = makePlan(request);
    const away = { ...plan, destination: { ...plan.destination, environment: 'libvirt' } };
    expect(() => refuseBacking(away)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});

describe('the backing image', () => {
  const plan = makePlan(request);

  it('is named from the folder, whatever links lead there', async () => {
    const here = await tempFolder();
    await mkdir(join(here, 'a/b'), { recursive: true });
    await symlink(join(here, 'a/b'), join(here, 'link'));
    await writeFile(join(here, 'a/base.raw'), Buffer.alloc(512));
    await symlink(join(here, 'a/base.raw'), join(here, 'a/b/newest.raw'));
    const named = async (folder: string, backing: string) => {
      const open = await openBacking(over(plan, join(here, folder), join(here, backing)), connect, signal);
      await open!.close();
      expect(open!.format).toBe('raw');
      return open!.name;
    };
    expect(await named('a', 'a/base.raw')).toBe('base.raw');
    expect(await named('link', 'a/base.raw')).toBe('../base.raw');
    expect(await named('link/new/folder', 'a/base.raw')).toBe('../../../base.raw');
    expect(await named('a', 'link/newest.raw')).toBe('b/newest.raw');
    expect(await named('link', 'link/newest.raw')).toBe('newest.raw');
  });

  it('has to be a plain file', async () => {
    const here = await tempFolder();
    await writeFile(join(here, 'base.raw.gz'), Buffer.from('1f8b0800000000000003', 'hex'));
    await mkdir(join(here, 'folder'));
    const open = (name: string) => openBacking(over(plan, here, join(here, name)), connect, signal);
    await expect(open('base.raw.gz')).rejects.toMatchObject({ kind: 'unsupported', message: /gzip/ });
    await expect(open('none.raw')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(open('folder')).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(
      openBacking(over(plan, here, 'samples/vmferry-sample.ova'), connect, signal),
    ).rejects.toMatchObject({ kind: 'unsupported', message: /inside another file/ });
  });

  it('is protected like a source, and compared by its size', async () => {
    const here = await tempFolder();
    const base = join(here, 'base.raw');
    await writeFile(base, Buffer.alloc(1024));
    const backing = await openBacking(over(plan, here, base), connect, signal);
    const delivery = { name: 'x', machine, settings: {}, force: true, sync: false, runId: 'r', signal };
    expect(withBacking({ ...delivery, reading: ['/a'] }, backing).reading).toEqual(['/a', base]);
    expect(withBacking(delivery, undefined)).toBe(delivery);
    expect(backingFindings(backing, 1024)).toEqual([]);
    expect(backingFindings(undefined, 1024)).toEqual([]);
    expect(backingFindings(backing, 1023)).toMatchObject([
      { rule: 'backing.size-differs', severity: 'warning' },
    ]);
    await backing!.close();
  });
});
