import { describe, expect, it } from 'vitest';
import {
  diskFileNames,
  fileNameFor,
  makePlan,
  type PlanRequest,
  packageFileName,
} from '../../src/convert/make-plan.ts';
import { parsePlan } from '../../src/convert/parse-plan.ts';
import { ProgressMeter } from '../../src/convert/progress.ts';
import type { Machine } from '../../src/model/machine.ts';

const machine: Machine = {
  id: '/x/web.raw',
  name: 'web',
  state: 'unknown',
  disks: [{ id: 'disk0', name: 'web.raw', files: ['/x/web.raw'] }],
  nics: [],
  findings: [],
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
