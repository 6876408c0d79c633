/** Which network a NIC gets that says none. */
import { expect, it } from 'vitest';
import { orderNetworks } from '../../../src/env-plugins/libvirt/networks.ts';

const network = (name: string, active = true) => ({ name, active, bridge: `v-${name}` });

it("has libvirt's own networks first, and bridges that happen to be there last", () => {
  const found = [network('lan'), network('asleep', false), network('default')];
  expect(orderNetworks(found, ['br0', 'docker0', 'v-lan', 'v-asleep'], false)).toEqual({
    names: ['default', 'lan', 'user', 'bridge:br0', 'bridge:docker0'],
    inactive: ['asleep'],
  });
  expect(orderNetworks([], ['docker0'], false)).toEqual({
    names: ['user', 'bridge:docker0'],
    inactive: [],
    lacking: true,
  });
  expect(orderNetworks([], [], true)).toEqual({ names: ['user'], inactive: [] });
  expect(orderNetworks(found, ['br0'], true).names).toEqual(['user', 'default', 'lan', 'bridge:br0']);
});
