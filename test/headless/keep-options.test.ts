import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Composed } from '../../src/compose.ts';
import { type KeepOptions, keepDraft } from '../../src/headless/keep-options.ts';
import { tempFolder } from '../temp.ts';

const profiles = [
  { id: 'p1', name: 'nas', environment: 'ssh', settings: { host: 'nas.lab' }, secretFields: [] },
  { id: 'p2', name: 'lab', environment: 'libvirt', settings: {}, secretFields: [] },
];
const composed = { services: { profiles: { list: async () => profiles } } } as unknown as Composed;

describe('the options of kept copies', () => {
  it.each<[KeepOptions, unknown]>([
    [{}, {}],
    [{ keep: true }, { keep: { stages: ['extracted'] } }],
    [{ keep: 'converted, extracted' }, { keep: { stages: ['extracted', 'converted'] } }],
    [{ keepFormat: 'raw' }, { keep: { stages: ['extracted'], format: 'raw' } }],
    [{ keepIn: 'k' }, { keep: { stages: ['extracted'], place: { folder: resolve('k') } } }],
    [{ keepIn: 'other:k' }, { keep: { stages: ['extracted'], place: { folder: resolve('other:k') } } }],
    [
      { keep: 'changed', keepIn: 'nas:/srv/kept' },
      {
        keep: {
          stages: ['changed'],
          place: { environment: 'ssh', profile: 'p1', settings: { folder: '/srv/kept' } },
        },
      },
    ],
  ])('%j', async (options, draft) => {
    expect(await keepDraft(composed, options)).toEqual(draft);
  });

  it('take a folder that is there for a folder', async () => {
    const folder = join(await tempFolder(), 'nas:x');
    await mkdir(folder);
    expect(await keepDraft(composed, { keepIn: folder })).toMatchObject({ keep: { place: { folder } } });
  });

  it.each<KeepOptions>([
    { keep: 'disk.vmdk' },
    { keep: '' },
    { keepIn: '' },
    { keepIn: 'lab:/x' },
    { keepIn: 'nas:' },
  ])('refuse %j', async (options) => {
    await expect(keepDraft(composed, options)).rejects.toMatchObject({ kind: 'usage' });
  });
});
