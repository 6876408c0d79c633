/**
 * XML as programs write it, read several times faster than by a whole parser: ASCII names, quoted attributes, text with
 * the five entities and numbers. All else, above all what is not well-formed, is left to the whole parser:
 * what is read here is read by it to the same tree. Speaks Namespaces in XML 1.0.
 */
import type { XmlAttribute, XmlElement } from './xml.ts';

interface Open {
  readonly name: string;
  readonly element: { children: XmlElement[]; text: string };
  readonly spaces: Spaces;
}

/** Prefix → URI; the default is that of ''. */
type Spaces = ReadonlyMap<string, string>;

export interface XmlLimits {
  readonly deepest: number;
  readonly mostElements: number;
}

const xmlSpace = 'http://www.w3.org/XML/1998/namespace';
const xmlnsSpace = 'http://www.w3.org/2000/xmlns/';
const outermost: Spaces = new Map([['', '']]);

// U+FFFE and U+FFFF too. A carriage return would have to become a line feed.
const oddCharacters = /[\0-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]/;
const declaration =
  /<\?xml version="1\.0"(?: encoding="[A-Za-z][\w.-]*")?(?: standalone="(?:yes|no)")? ?\?>/y;
const tagName = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;
const attributePattern =
  /[ \n]+([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)=(?:"([^"<&\n\t]*)"|'([^'<&\n\t]*)')/y;
const tagEnd = /[ \n]*(\/?)>/y;
const closingTag = /\/([A-Za-z_][\w.:-]*)[ \n]*>/y;
/** Attributes of an element, and prefixes: nobody has more, and each is compared with all others. */
const most = 32;
const blank = /^[ \t\n]*$/;
const none: readonly XmlAttribute[] = [];
/** Most elements hold text alone. */
const noChildren: XmlElement[] = [];

/** Undefined where the whole parser has to look. */
export function parsePlainXml(text: string, limits: XmlLimits): XmlElement | undefined {
  if (oddCharacters.test(text)) return undefined;
  declaration.lastIndex = 0;
  let at = declaration.test(text) ? declaration.lastIndex : 0;
  const open: Open[] = [];
  let root: XmlElement | undefined;
  let count = 0;
  for (;;) {
    const next = text.indexOf('<', at);
    const own = next < 0 ? text.slice(at) : text.slice(at, next);
    const inside = open.at(-1);
    if (inside === undefined) {
      if (!blank.test(own)) return undefined;
    } else if (own !== '') {
      const words = plainText(own);
      if (words === undefined) return undefined;
      inside.element.text += words;
    }
    if (next < 0) return open.length === 0 ? root : undefined;
    at = next + 1;
    if (text.charCodeAt(at) === slash) {
      closingTag.lastIndex = at;
      const name = closingTag.exec(text)?.[1];
      if (inside === undefined || name !== inside.name) return undefined;
      at = closingTag.lastIndex;
      open.pop();
      continue;
    }
    if (inside === undefined && root !== undefined) return undefined;
    if (open.length >= limits.deepest || ++count > limits.mostElements) return undefined;
    const tag = openTag(text, at, inside?.spaces ?? outermost);
    if (tag === undefined) return undefined;
    at = tag.end;
    const { element, name, spaces } = tag;
    if (inside !== undefined) {
      if (inside.element.children === noChildren) inside.element.children = [element];
      else inside.element.children.push(element);
    }
    root ??= element;
    if (!tag.closed) open.push({ name, element, spaces });
  }
}

const slash = 0x2f;
const greater = 0x3e;

function openTag(text: string, at: number, outer: Spaces) {
  tagName.lastIndex = at;
  const name = tagName.exec(text)?.[0];
  if (name === undefined) return undefined;
  let end = tagName.lastIndex;
  let spaces = outer;
  let attributes = none;
  if (text.charCodeAt(end) !== greater) {
    const read = readAttributes(text, end, outer);
    if (read === undefined) return undefined;
    ({ end, spaces, attributes } = read);
  }
  tagEnd.lastIndex = end;
  const closing = tagEnd.exec(text);
  if (closing === null) return undefined;
  const colon = name.indexOf(':');
  const prefix = colon < 0 ? '' : name.slice(0, colon);
  const uri = spaces.get(prefix);
  if (uri === undefined || (uri === '' && colon >= 0)) return undefined;
  const element = {
    uri,
    local: colon < 0 ? name : name.slice(colon + 1),
    attributes,
    children: noChildren,
    text: '',
  };
  return { element, name, spaces, end: tagEnd.lastIndex, closed: closing[1] === '/' };
}

function readAttributes(text: string, at: number, outer: Spaces) {
  const found: { name: string; value: string }[] = [];
  let end = at;
  for (;;) {
    attributePattern.lastIndex = end;
    const match = attributePattern.exec(text);
    if (match === null) break;
    const [, name = '', double, single = ''] = match;
    if (found.length >= most || found.some((other) => other.name === name)) return undefined;
    found.push({ name, value: double ?? single });
    end = attributePattern.lastIndex;
  }
  const spaces = declaredSpaces(found, outer);
  if (spaces === undefined) return undefined;
  const attributes: XmlAttribute[] = [];
  for (const { name, value } of found) {
    const named = attributeName(name, spaces);
    // Two prefixes of one namespace may make one name of two.
    if (named === undefined || attributes.some((a) => a.uri === named.uri && a.local === named.local))
      return undefined;
    attributes.push({ ...named, value });
  }
  return { end, spaces, attributes };
}

function attributeName(name: string, spaces: Spaces): { uri: string; local: string } | undefined {
  if (name === 'xmlns') return { uri: xmlnsSpace, local: name };
  const colon = name.indexOf(':');
  if (colon < 0) return { uri: '', local: name };
  const prefix = name.slice(0, colon);
  const uri = prefix === 'xmlns' ? xmlnsSpace : spaces.get(prefix);
  return uri === undefined || uri === '' ? undefined : { uri, local: name.slice(colon + 1) };
}

/** What an element's own attributes declare, over what is declared outside of it. */
function declaredSpaces(
  attributes: readonly { name: string; value: string }[],
  outer: Spaces,
): Spaces | undefined {
  let spaces: Map<string, string> | undefined;
  for (const { name, value } of attributes) {
    if (!name.startsWith('xmlns')) continue;
    const prefix = name === 'xmlns' ? '' : name.startsWith('xmlns:') ? name.slice(6) : undefined;
    if (prefix === undefined) continue;
    const isOdd = value !== value.trim() || value === xmlSpace || value === xmlnsSpace;
    if (isOdd || (prefix !== '' && value === '') || prefix === 'xml' || prefix === 'xmlns') return undefined;
    spaces ??= new Map(outer);
    spaces.set(prefix, value);
    if (spaces.size > most) return undefined;
  }
  return spaces ?? outer;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const entityPattern = /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([\dA-Fa-f]{1,6}));|&/g;

function plainText(raw: string): string | undefined {
  if (raw.includes(']]>')) return undefined;
  if (!raw.includes('&')) return raw;
  let isPlain = true;
  const text = raw.replace(entityPattern, (_, name?: string, decimal?: string, hex?: string) => {
    if (name !== undefined) return entities[name]!;
    const code = decimal === undefined ? Number.parseInt(hex ?? '0', 16) : Number(decimal);
    const isCharacter = code === 9 || code === 10 || (code >= 0x20 && code < 0xd800);
    if (!isCharacter) isPlain = false;
    return isCharacter ? String.fromCharCode(code) : '';
  });
  return isPlain ? text : undefined;
}
