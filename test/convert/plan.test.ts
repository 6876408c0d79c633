import { describe, expect, it } from 'vitest';
import { describePlan } from '../../src/convert/describe-plan.ts';
import {
  diskFileNames,
  fileNameFor,
  makePlan,
  type PlanRequest,
  packageFileName,
} from '../../src/convert/make-plan.ts';
import { parsePlan } from '../../src/convert/parse-plan.ts';
import { ProgressMeter } from '../../src/convert/progress.ts';
import type { GuestPlan } from '../../src/model/guest-plan.ts';
import type { Machine, MachineDisk } from '../../src/model/machine.ts';
import type { Plan } from '../../src/model/plan.ts';

const machine: Machine = {
  id: '/x/web.raw',
  name: 'web',
  state: 'unknown',
  disks: [{ id: 'disk0', name: 'web.raw', files: ['/x/web.raw'] }],
  nics: [],
  findings: [],
};
const fullDisk: Required<MachineDisk> = {
  id: 'vda',
  name: 'vda',
  format: 'raw',
  packed: ['gzip'],
  costly: true,
  virtualSizeBytes: 1,
  allocatedSizeBytes: 1,
  bus: 'scsi',
  controllerModel: 'virtio-scsi',
  controller: 0,
  unit: 1,
  files: ['/x'],
  bootable: true,
  bootOrder: 1,
  serial: 's',
  readOnly: true,
  shared: true,
};
const request: PlanRequest = {
  source: { environment: 'local', settings: {}, machine: machine.id, follow: false },
  machine,
  product: 'files',
  folder: '/out',
  options: {},
  force: false,
  sync: false,
};

describe('a plan', () => {
  it('changes the guest for the files of a folder where a kernel is given, or something else is said', () => {
    const guestOf = (guest: Partial<GuestPlan>) => makePlan({ ...request, edit: { guest } }).guest;
    const kernel = { image: '/boot/vmlinuz' };
    expect(makePlan(request).guest).toBeUndefined();
    expect(guestOf({ kernel })).toEqual({ changes: 'needed', kernel });
    expect(guestOf({ kernel, changes: 'none' })).toEqual({ changes: 'none', kernel });
    expect(guestOf({ add: { hostname: 'web' } })).toMatchObject({ changes: 'none' });
  });

  it('fills in what the product wants, and keeps what the machine says', () => {
    expect(makePlan(request)).toMatchObject({
      machine: {
        processors: { count: 2 },
        firmware: { kind: 'bios' },
        nics: [{ model: 'e1000' }],
        disks: [{ bus: 'sata' }],
      },
      destination: { container: 'disks', format: 'raw' },
    });
    const known = { ...machine, processors: { count: 7 }, firmware: { kind: 'uefi' } } as const;
    expect(makePlan({ ...request, machine: known }).machine).toMatchObject({
      processors: { count: 7 },
      firmware: { kind: 'uefi' },
      nics: [],
    });
  });

  it.each<[string, Partial<PlanRequest>]>([
    ['an unknown format', { format: 'floppy' }],
    ['an unknown option', { format: 'qcow2', options: { colour: 'red' } }],
    ['an unknown product', { product: 'amiga' }],
    ['a qcow2 in an OVA', { container: 'ova', format: 'qcow2' }],
  ])('refuses %s', (_, change) => {
    expect(() => makePlan({ ...request, ...change })).toThrow(expect.objectContaining({ kind: 'usage' }));
  });

  it('is the same after it was JSON', () => {
    const plan = makePlan({ ...request, container: 'ova', source: { ...request.source, format: 'raw' } });
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    expect(() => parsePlan({ ...plan, version: 2 })).toThrow(expect.objectContaining({ kind: 'usage' }));
  });

  it('keeps every field through JSON', () => {
    const full: Required<Machine> = {
      id: 'id',
      name: 'web',
      state: 'running',
      system: { name: 'x', family: 'linux', version: '1', architecture: 'x86_64', hostname: 'h' },
      processors: { count: 8, coresPerSocket: 2, threadsPerCore: 2, model: 'host-passthrough' },
      memoryBytes: 1,
      firmware: { kind: 'uefi', secureBoot: true, nvram: true },
      disks: [fullDisk],
      nics: [{ mac: 'm', network: 'n', model: 'e1000', connected: true, bootOrder: 2 }],
      devices: {
        tpm: { version: '2.0', model: 'tpm-crb' },
        clock: 'localtime',
        graphics: 'vnc',
        video: 'qxl',
        consoles: ['serial', 'virtio'],
        agents: ['qemu'],
        cdroms: [{ bus: 'sata', media: '/x.iso' }],
        bound: ['PCI 0000:03:00.0'],
      },
      chipset: 'q35',
      uuid: 'u',
      snapshots: [{ name: 's', createdAt: 1.5, current: true, description: 'd' }],
      packaging: 'libvirt domain',
      place: '/DC0/vm, host esx1',
      description: 'd',
      findings: [{ rule: 'r', severity: 'note', message: 'm', evidence: 'e', remedy: 'r' }],
    };
    const target = { environment: 'kvm', profile: 'p', settings: { pool: 'default' }, formats: ['qcow2'] };
    const warm = { shutDown: true, turnOn: true, passes: 2, belowBytes: 1, intervalSeconds: 3, folder: 'f' };
    const made = makePlan({ ...request, machine: full, target, start: true, warm });
    const source = { ...made.source, format: 'raw', snapshot: 's', partition: 2, profile: 'p' };
    const window = { offset: 1, length: 2 };
    const destination = { ...made.destination, recipients: ['age1x'] };
    const plan: Plan = { ...made, source: { ...source, window }, destination };
    expect(plan.start).toBe(true);
    expect(parsePlan(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  it('of a running machine takes whole disks only', () => {
    const source = { ...request.source, partition: 1 };
    const warm = { shutDown: false, turnOn: false };
    expect(() => makePlan({ ...request, source, warm })).toThrow(expect.objectContaining({ kind: 'usage' }));
    expect(describePlan(makePlan({ ...request, warm: { ...warm, passes: 1 } }))).toContain(
      'copied while it runs, then what changed, the last of it when it is off; its end is near after 1 pass of changes; its shutdown is waited for',
    );
  });

  it('for an environment has its product, its first format, and no folder', () => {
    const target = { environment: 'kvm', settings: { uri: 'x' }, product: 'qemu', formats: ['raw', 'qcow2'] };
    const plan = makePlan({ ...request, product: 'vmware', container: 'ova', target, file: 'x.ova' });
    expect(plan.destination).toEqual({
      environment: 'kvm',
      settings: { uri: 'x' },
      product: 'qemu',
      container: 'disks',
      format: 'raw',
      options: expect.anything(),
    });
    expect(diskFileNames(plan)).toEqual(['web.raw']);
    expect(describePlan(plan, 'the lab').join('; ')).toContain('into the lab (uri x)');
    expect(makePlan({ ...request, start: true })).not.toHaveProperty('start');
  });

  it('names files by the machine, and a package by its extension', () => {
    expect(diskFileNames(makePlan({ ...request, format: 'qcow2' }))).toEqual(['web.qcow2']);
    expect(packageFileName(makePlan({ ...request, container: 'ova', file: 'X.OVA' }))).toBe('X.ova');
    expect(packageFileName(makePlan({ ...request, container: 'ovf' }))).toBe('web.ovf');
  });

  it.each([
    ['a/b\\c:d', 'a_b_c_d'],
    ['..', 'machine'],
    [' .hidden. ', 'hidden'],
    ['two\nlines', 'two_lines'],
    ['🚢'.repeat(100), '🚢'.repeat(45)],
  ])('makes a file name of %j', (name, file) => {
    expect(fileNameFor(name)).toBe(file);
  });
});

describe('progress', () => {
  it('has the rate of the last seconds', () => {
    let now = 0;
    const meter = new ProgressMeter(new Map([['a', 1000]]), () => now);
    now = 1000;
    meter.add('a', 100);
    expect(meter.report()).toEqual({ disks: [{ id: 'a', bytesDone: 100 }], rate: 100, secondsLeft: 9 });
    now = 60_000;
    meter.restart();
    now = 61_000;
    meter.add('a', 300);
    expect(meter.report()).toMatchObject({ rate: 300, secondsLeft: 2 });
  });
});
