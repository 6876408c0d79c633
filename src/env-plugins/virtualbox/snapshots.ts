/** The tree of a machine's snapshots, as a list: parents before their children. Pure. */
import { attribute, child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import { uuidOf } from './settings-file.ts';

export interface VboxSnapshot {
  readonly uuid: string;
  readonly name: string;
  readonly createdAt?: number;
  readonly description?: string;
  readonly current: boolean;
  /** Its own hardware and attachments. */
  readonly element: XmlElement;
}

const mostSnapshots = 4096;

export function readSnapshots(machine: XmlElement): VboxSnapshot[] {
  const current = uuidOf(attribute(machine, 'currentSnapshot'));
  const found: VboxSnapshot[] = [];
  const walk = (element: XmlElement) => {
    const uuid = uuidOf(attribute(element, 'uuid'));
    if (uuid === undefined || found.length >= mostSnapshots) return;
    const createdAt = Date.parse(attribute(element, 'timeStamp') ?? '');
    const description = textOf(element, 'Description');
    found.push({
      uuid,
      name: attribute(element, 'name') || `snapshot ${uuid}`,
      ...(Number.isFinite(createdAt) ? { createdAt: Math.floor(createdAt / 1000) } : {}),
      ...(description === undefined ? {} : { description }),
      current: uuid === current,
      element,
    });
    const nested = child(element, 'Snapshots');
    for (const one of nested === undefined ? [] : childrenOf(nested, 'Snapshot')) walk(one);
  };
  for (const one of childrenOf(machine, 'Snapshot')) walk(one);
  return found;
}
