/** The media of a registry: hard disks with what differs from them nested inside, DVDs and floppies. Pure. */
import { attribute, childrenOf, type XmlElement } from '../../io/xml.ts';
import { allAt, isYes, uuidOf } from './settings-file.ts';

export interface Medium {
  readonly uuid: string;
  /** As the file writes it. */
  readonly location: string;
  readonly format: string;
  /** `normal`, `immutable`, `writethrough`, `shareable`, `readonly`, `multiattach`; of the root of its tree. */
  readonly type: string;
  readonly encrypted: boolean;
  /** It is emptied at each start of the machine. */
  readonly autoReset: boolean;
  readonly parent?: Medium;
}

export type Media = ReadonlyMap<string, Medium>;

/** Media of one registry; more are nobody's. */
const mostMedia = 20_000;

/** `holder`: the element that has the MediaRegistry, a machine or the global settings. */
export function readMedia(
  holder: XmlElement | undefined,
  place: (location: string) => string = (location) => location,
): Media {
  const media = new Map<string, Medium>();
  const add = (element: XmlElement, parent: Medium | undefined) => {
    const medium = mediumOf(element, parent, place);
    if (medium === undefined || media.has(medium.uuid) || media.size >= mostMedia) return;
    media.set(medium.uuid, medium);
    for (const nested of childrenOf(element, 'HardDisk')) add(nested, medium);
  };
  for (const disk of allAt(holder, ['MediaRegistry', 'HardDisks'], 'HardDisk')) add(disk, undefined);
  for (const list of ['DVDImages', 'FloppyImages']) {
    for (const image of allAt(holder, ['MediaRegistry', list], 'Image')) add(image, undefined);
  }
  return media;
}

function mediumOf(
  element: XmlElement,
  parent: Medium | undefined,
  place: (location: string) => string,
): Medium | undefined {
  const uuid = uuidOf(attribute(element, 'uuid'));
  const location = attribute(element, 'location') ?? attribute(element, 'src') ?? '';
  if (uuid === undefined || location === '') return undefined;
  const encrypted = childrenOf(element, 'Property').some((property) =>
    /^CRYPT\/Key(Id|Store)$/i.test(attribute(property, 'name') ?? ''),
  );
  return {
    ...{ uuid, location: place(location), format: attribute(element, 'format') ?? '' },
    type: parent?.type ?? (attribute(element, 'type') ?? 'normal').toLowerCase(),
    // A child of an encrypted disk is encrypted with the same key.
    encrypted: encrypted || parent?.encrypted === true,
    autoReset: isYes(attribute(element, 'autoReset')),
    ...(parent === undefined ? {} : { parent }),
  };
}

/** Those below it, the nearest first. */
export function ancestorsOf(medium: Medium): Medium[] {
  const found: Medium[] = [];
  for (let above = medium.parent; above !== undefined; above = above.parent) found.push(above);
  return found;
}
