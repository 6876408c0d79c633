/**
 * The way through the whole inventory from its root, property by property: what API 2.5 (VMware Server 2, ESX 3.5,
 * VirtualCenter 2.5) has in place of views. Datastores and networks are in no folder there, but in their datacenter.
 */
import { element, text, typed, type Xml } from './soap.ts';

/** The name of each step, what it goes from and along, and the steps that follow it. */
const steps: readonly (readonly [name: string, type: string, path: string, then: readonly string[]])[] = [
  ['folder', 'Folder', 'childEntity', ['folder', 'machines', 'hosts', 'datastores', 'networks', 'members']],
  ['machines', 'Datacenter', 'vmFolder', ['folder']],
  ['hosts', 'Datacenter', 'hostFolder', ['folder']],
  ['datastores', 'Datacenter', 'datastore', []],
  ['networks', 'Datacenter', 'network', []],
  ['members', 'ComputeResource', 'host', []],
];

/** Of an `objectSet` whose object is the root folder. */
export const wholeInventory: readonly Xml[] = steps.map(([name, type, path, then]) =>
  typed(
    'selectSet',
    'TraversalSpec',
    text('name', name),
    text('type', type),
    text('path', path),
    text('skip', false),
    ...then.map((next) => element('selectSet', text('name', next))),
  ),
);
