/** XML into a small tree, by saxes: strict, with namespaces, nothing external, bounded. */
import { SaxesParser } from 'saxes';
import { AppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';
import { parsePlainXml } from './xml-plain.ts';

export interface XmlElement {
  /** The namespace's URI; empty where there is none. */
  readonly uri: string;
  readonly local: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlElement[];
  /** Its own text, without that of its children. */
  readonly text: string;
}

export interface XmlAttribute {
  readonly uri: string;
  readonly local: string;
  readonly value: string;
}

export const largestXmlBytes = 16 * MiB;
const usualDepth = 64;
const mostElements = 500_000;

interface Building extends XmlElement {
  children: XmlElement[];
  text: string;
}

/**
 * `deepest`: elements inside one another, for documents that are trees of any depth.
 * @throws AppError `corrupt` when it is not well-formed, `unsupported` when it is too large or has a DOCTYPE.
 */
export function parseXml(bytes: Uint8Array, where: string, deepest = usualDepth): XmlElement {
  if (bytes.length > largestXmlBytes) {
    throw new AppError('unsupported', `${bytes.length} bytes of XML, at most ${largestXmlBytes} are read`, {
      where,
    });
  }
  const content = decode(bytes, where);
  return parsePlainXml(content, { deepest, mostElements }) ?? parseByWhole(content, where, deepest);
}

function parseByWhole(content: string, where: string, deepest: number): XmlElement {
  const parser = new SaxesParser({ xmlns: true, position: true });
  const open: Building[] = [];
  let root: XmlElement | undefined;
  let count = 0;
  const refuse = (message: string) =>
    new AppError('unsupported', message, { where: `${where} line ${parser.line}` });
  parser.on('error', (error) => {
    throw new AppError('corrupt', `not well-formed XML: ${error.message.replace(/^\d+:\d+: /, '')}`, {
      where: `${where} line ${parser.line} column ${parser.column}`,
      cause: error,
    });
  });
  parser.on('doctype', () => {
    throw refuse('an XML document type (DOCTYPE), which could name other files');
  });
  parser.on('opentag', (tag) => {
    if (open.length >= deepest) throw refuse(`XML nested deeper than ${deepest} levels`);
    if (++count > mostElements) throw refuse(`more than ${mostElements} XML elements`);
    const attributes = Object.values(tag.attributes).map((a) => ({
      uri: a.uri,
      local: a.local,
      value: a.value,
    }));
    const element: Building = { uri: tag.uri, local: tag.local, attributes, children: [], text: '' };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  const addText = (text: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => void open.pop());
  parser.write(content).close();
  if (root === undefined) throw new AppError('corrupt', 'no XML element', { where });
  return root;
}

/** By its byte order mark, else as its declaration says, else UTF-8. */
function decode(bytes: Uint8Array, where: string): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 200)).toString('latin1');
  const declared = /^\s*<\?xml[^>]*encoding=["']([\w.-]+)["']/.exec(head)?.[1];
  const label = head.startsWith('\xff\xfe')
    ? 'utf-16le'
    : head.startsWith('\xfe\xff')
      ? 'utf-16be'
      : (declared ?? 'utf-8');
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    // A document in single bytes that calls itself UTF-16 was converted by a tool that left its first line alone.
    decoder = new TextDecoder(/^utf-?16$/i.test(label) ? 'utf-8' : label, { fatal: true });
  } catch (error) {
    throw new AppError('unsupported', `the text encoding "${label}"`, { where, cause: error });
  }
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new AppError('corrupt', `bytes that are not ${label}`, { where, cause: error });
  }
}

export const child = (parent: XmlElement, local: string): XmlElement | undefined =>
  parent.children.find((c) => c.local === local);

export const childrenOf = (parent: XmlElement, local: string): XmlElement[] =>
  parent.children.filter((c) => c.local === local);

/** Trimmed text of a child; undefined where it is absent or empty. */
export function textOf(parent: XmlElement, local: string): string | undefined {
  const text = child(parent, local)?.text.trim();
  return text === '' ? undefined : text;
}

/** An attribute by its local name: products differ in whether they write the prefix. */
export const attribute = (element: XmlElement, local: string): string | undefined =>
  element.attributes.find((a) => a.local === local)?.value;

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text for an element or a quoted attribute. What XML 1.0 can't hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return Buffer.from(text, 'utf8') // half a surrogate pair becomes U+FFFD
    .toString('utf8')
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (c) => entities[c]!)
    .replace(/[\t\n\r]/g, (c) => `&#${c.charCodeAt(0)};`);
}
