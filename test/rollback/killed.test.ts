/** A run that was killed in the middle of its commit, and is gone on with or removed: what it replaced is not lost. */
import { expect, it } from 'vitest';
import { hostDelivery } from '../../src/env-plugins/host-delivery.ts';
import { destinationRole } from '../../src/env-plugins/local/destination.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import { tempFolder } from '../temp.ts';
import { fill, treeOf } from './folder.ts';
import { requestOf } from './sweep.ts';

const part = '.a.raw.vmferry-20260101-000000-abcd.part';
const states: [string, Record<string, string>][] = [
  ['the old one was moved aside', { [part]: 'new', [`${part}.replaced`]: 'old' }],
  ['the new one has its name', { 'a.raw': 'new', [`${part}.replaced`]: 'old' }],
  ['the old one has two names', { 'a.raw': 'old', [part]: 'new', [`${part}.replaced`]: 'old' }],
];
const places = ['a folder', 'a folder of a host'] as const;

it.each(states.flatMap(([state, files]) => places.map((place) => [state, place, files] as const)))(
  'killed when %s of %s',
  async (_, place, files) => {
    const folder = await tempFolder();
    const request = requestOf({ settings: { folder }, force: true, resume: true });
    const begin = () =>
      place === 'a folder' ? destinationRole().begin(request) : hostDelivery(localHost(), folder, request);
    const begun = async () => {
      fill(folder, files);
      const delivery = await begin();
      const sink = await delivery.sink({ name: 'a.raw', begun: true });
      await sink.finish(3);
      expect(treeOf(folder)).toEqual({ 'a.raw': 'old', [part]: 'new' });
      return delivery;
    };
    expect(await (await begun()).rollback()).toEqual([]);
    expect(treeOf(folder)).toEqual({ 'a.raw': 'old' });
    await (await begun()).commit();
    expect(treeOf(folder)).toEqual({ 'a.raw': 'new' });
  },
);
