/** The property collector: many properties of many objects in few calls. */

import { inOrder } from '../../io/in-order.ts';
import { child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { ObjectGone, SessionEnded } from './faults.ts';
import type { VimSession } from './session.ts';
import { element, type Ref, refOf, refTo, text, typed, typeOf, type Xml } from './soap.ts';
import { wholeInventory } from './traversal.ts';

export interface PropertySet {
  readonly type: string;
  readonly paths: readonly string[];
}

/** One object as the collector tells it. */
export interface Properties {
  readonly ref: Ref;
  readonly values: ReadonlyMap<string, XmlElement>;
  /** What could not be read: path → the privilege that is missing, or the fault's name. */
  readonly missing: ReadonlyMap<string, string>;
}

interface Query {
  readonly sets: readonly PropertySet[];
  readonly objects: readonly Xml[];
  /** Objects that may be told of. */
  readonly most: number;
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
}

/** Machines asked for in one call: some hundred KiB of answer. */
const chunkSize = 100;
/** Calls under way at once. */
const chunksAhead = 3;
/** Views are of 2.5, optional there, and hold no datastores and networks before 4.0. */
const viewsSince = '4.0';
/** No installation has as many objects; a server that goes on for ever is stopped. */
const mostObjects = 1_000_000;

/** All objects of these types below the root folder, with their properties; before API 4.0 also the root itself. */
export function viewed(
  session: VimSession,
  sets: readonly PropertySet[],
  step: string,
  signal: AbortSignal | undefined,
): Promise<Properties[]> {
  if (!session.atLeast(viewsSince)) {
    const root = refTo('obj', session.service('rootFolder'));
    const objects = [element('objectSet', root, text('skip', false), ...wholeInventory)];
    return session.unit(() => collect(session, { sets, objects, most: mostObjects, step, signal }), signal);
  }
  return session.unit(async () => {
    const root = session.service('rootFolder');
    const types = sets.map(({ type }) => text('type', type));
    const [value] = await session.call(
      'CreateContainerView',
      session.service('viewManager'),
      [refTo('container', root), ...types, text('recursive', true)],
      { step, signal },
    );
    if (value === undefined) throw new AppError('corrupt', `${step}: the server made no view`);
    const view = refOf(value);
    try {
      const traversal = typed(
        'selectSet',
        'TraversalSpec',
        text('name', 'members'),
        text('type', 'ContainerView'),
        text('path', 'view'),
        text('skip', false),
      );
      const object = element('objectSet', refTo('obj', view), text('skip', true), traversal);
      return await collect(session, { sets, objects: [object], most: mostObjects, step, signal });
    } finally {
      // It ends with the session at the latest.
      await session.call('DestroyView', view, [], { step, once: true }).catch(() => undefined);
    }
  }, signal);
}

/** Some objects, in chunks, in their order; those that are gone meanwhile are left out. */
export async function* chunked(
  session: VimSession,
  refs: readonly Ref[],
  paths: readonly string[],
  step: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Properties> {
  const chunks: Ref[][] = [];
  for (let at = 0; at < refs.length; at += chunkSize) chunks.push(refs.slice(at, at + chunkSize));
  const found = inOrder(
    chunks,
    chunksAhead,
    (chunk) => ofObjects(session, chunk, paths, step, signal),
    signal,
  );
  for await (const page of found) yield* page;
}

/** One object. @throws AppError `not-found`. */
export async function ofObject(
  session: VimSession,
  ref: Ref,
  paths: readonly string[],
  step: string,
  signal: AbortSignal | undefined,
): Promise<Properties> {
  const [found] = await ofObjects(session, [ref], paths, step, signal);
  if (found === undefined) throw new ObjectGone(`${step}: it is not there`, session.client.name, ref);
  return found;
}

async function ofObjects(
  session: VimSession,
  refs: readonly Ref[],
  paths: readonly string[],
  step: string,
  signal: AbortSignal | undefined,
): Promise<Properties[]> {
  let left = refs;
  while (left.length > 0) {
    const sets = [...new Set(left.map(({ type }) => type))].map((type) => ({ type, paths }));
    const objects = left.map((ref) => element('objectSet', refTo('obj', ref), text('skip', false)));
    try {
      return await session.unit(
        () => collect(session, { sets, objects, most: left.length, step, signal }),
        signal,
      );
    } catch (error) {
      // One that was removed meanwhile fails the whole call.
      if (!(error instanceof ObjectGone) || error.object === undefined) throw error;
      const { id } = error.object;
      const others = left.filter((ref) => ref.id !== id);
      if (others.length === left.length) throw error;
      left = others;
    }
  }
  return [];
}

/** Follows the pages that the server makes. API 4.0 and before know one call without pages. */
async function collect(
  session: VimSession,
  { sets, objects, most, step, signal }: Query,
): Promise<Properties[]> {
  const collector = session.service('propertyCollector');
  const specification = element(
    'specSet',
    ...sets.map(({ type, paths }) =>
      element(
        'propSet',
        text('type', type),
        text('all', false),
        ...paths.map((path) => text('pathSet', path)),
      ),
    ),
    ...objects,
  );
  // An answer belongs to its session: the next page is asked for in the same one.
  const options = { step, signal, once: true };
  if (!session.atLeast('4.1')) {
    const all = await session.call('RetrieveProperties', collector, [specification], options);
    return all.map(propertiesOf);
  }
  const found: Properties[] = [];
  let [page] = await session.call(
    'RetrievePropertiesEx',
    collector,
    [specification, element('options')],
    options,
  );
  while (page !== undefined) {
    const part = childrenOf(page, 'objects');
    found.push(...part.map(propertiesOf));
    const token = textOf(page, 'token');
    if (token === undefined) break;
    if (part.length === 0 || found.length > most) {
      throw new AppError('corrupt', `${step}: the server's pages do not end`, { where: session.client.name });
    }
    [page] = await session
      .call('ContinueRetrievePropertiesEx', collector, [text('token', token)], options)
      .catch((error) => {
        // A new session does not know the token.
        if (error instanceof AppError && /InvalidArgument|InvalidProperty/.test(error.message))
          throw new SessionEnded('auth', error.message, { cause: error });
        throw error;
      });
  }
  return found;
}

function propertiesOf(object: XmlElement): Properties {
  const obj = child(object, 'obj');
  if (obj === undefined) throw new AppError('corrupt', 'an object of the property collector has no name');
  const values = new Map<string, XmlElement>();
  for (const property of childrenOf(object, 'propSet')) {
    const name = textOf(property, 'name');
    const value = child(property, 'val');
    if (name !== undefined && value !== undefined) values.set(name, value);
  }
  const missing = new Map<string, string>();
  for (const entry of childrenOf(object, 'missingSet')) {
    const fault = child(entry, 'fault');
    const detail = fault === undefined ? undefined : child(fault, 'fault');
    const privilege = detail === undefined ? undefined : textOf(detail, 'privilegeId');
    missing.set(
      textOf(entry, 'path') ?? '',
      privilege ?? (detail === undefined ? 'unknown' : typeOf(detail)),
    );
  }
  return { ref: refOf(obj), values, missing };
}
