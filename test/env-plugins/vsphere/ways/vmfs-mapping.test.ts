import { describe, expect, it } from 'vitest';
import { openOnHost } from '../../../../src/env-plugins/vsphere/ways/esxi-ssh.ts';
import { mappedWithin, parseMapping } from '../../../../src/env-plugins/vsphere/ways/vmfs-mapping.ts';
import { localHost } from '../../../../src/io/host/local-host.ts';
import { AppError } from '../../../../src/model/errors.ts';
import { GiB, MiB } from '../../../../src/model/units.ts';

const uuid = '51b0a2b1-8a1c2d3e-4f50-001b21857010/51b0a2b0-7b1c2d3e-1122-001b21857010/1';
const at = (value: number) => String(value).padStart(12);
const blocks = (offset: number, length: number, state = '--') =>
  `[${at(offset)}: ${at(length)}] --> [VMFS ${state} LVID:${uuid}:(${at(7 * GiB)} --> ${at(7 * GiB + length)})]`;
const nothing = (offset: number, length: number) =>
  `[${at(offset)}: ${at(length)}] --> [NOMP -- :(${at(0)} --> ${at(length)})]`;
const mapping = (size: number, ...rows: string[]) =>
  [`Mapping for file web.vmdk (${size} bytes in size):`, ...rows, ''].join('\n');

describe('what vmkfstools -t0 says', () => {
  it('of a thin disk, whose fragments are joined', () => {
    const text = mapping(
      GiB,
      ...[blocks(0, MiB), blocks(MiB, 3 * MiB), nothing(4 * MiB, 500 * MiB)],
      ...[blocks(504 * MiB, 8 * MiB, 'Z-'), nothing(512 * MiB, 512 * MiB)],
    );
    const found = parseMapping(text, GiB)!;
    expect(found).toEqual([
      { kind: 'data', offset: 0, length: 4 * MiB },
      { kind: 'zero', offset: 4 * MiB, length: 500 * MiB },
      { kind: 'data', offset: 504 * MiB, length: 8 * MiB },
      { kind: 'zero', offset: 512 * MiB, length: 512 * MiB },
    ]);
    expect(mappedWithin(found, 3 * MiB, 505 * MiB)).toEqual([
      { kind: 'data', offset: 3 * MiB, length: MiB },
      { kind: 'zero', offset: 4 * MiB, length: 500 * MiB },
      { kind: 'data', offset: 504 * MiB, length: MiB },
    ]);
    expect(mappedWithin(found, 600 * MiB, GiB)).toEqual([
      { kind: 'zero', offset: 600 * MiB, length: 424 * MiB },
    ]);
    expect(mappedWithin(found, 5, 5)).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['the size of another disk', mapping(2 * GiB, blocks(0, GiB))],
    ['too little', mapping(GiB, blocks(0, MiB))],
    ['too much', mapping(GiB, nothing(0, 2 * GiB))],
    ['a gap', mapping(GiB, blocks(0, MiB), nothing(2 * MiB, GiB - 2 * MiB))],
    ['a range twice', mapping(GiB, blocks(0, MiB), blocks(0, MiB), nothing(MiB, GiB - MiB))],
    ['an empty range', mapping(GiB, nothing(0, 0), nothing(0, GiB))],
    ['other words', mapping(GiB, nothing(0, GiB), 'Failed to open: Device or resource busy (0x100010009)')],
    ['impossible numbers', mapping(GiB, nothing(0, GiB).replace('1073741824', '99999999999999999999'))],
    ['a word cut short', mapping(GiB, nothing(0, GiB)).slice(0, 70)],
  ])('%s is not believed', (_name, text) => {
    expect(parseMapping(text, GiB)).toBeUndefined();
  });

  it('an unknown place is read', () => {
    expect(parseMapping(mapping(MiB, nothing(0, MiB).replace('NOMP --', 'RDMX ??')), MiB)![0]!.kind).toBe(
      'data',
    );
  });
});

it('a file that a host keeps locked', async () => {
  const host = {
    ...localHost(),
    files: {
      ...localHost().files,
      open: () => Promise.reject(new AppError('io', 'Device or resource busy')),
    },
  };
  const home = { datastore: 'ds', path: 'web/web.vmdk' };
  const datastores = [{ name: 'ds', url: 'ds:///vmfs/volumes/51b0a2b1-8a1c/', datacenter: 'dc' }];
  const place = { session: undefined as never, datastores, own: new Set<string>(), home };
  const open = (path: string, datastore = 'ds') =>
    openOnHost({ host, volumes: '/vmfs/volumes', place }, { datastore, path }, undefined);
  await expect(open('web/web.vmdk')).rejects.toMatchObject({ kind: 'conflict', where: '[ds] web/web.vmdk' });
  await expect(open('web/web.vmdk', 'another')).rejects.toMatchObject({ kind: 'not-found' });
});
