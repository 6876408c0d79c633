/** A machine's settings as a tree, as both of Hyper-V's kinds of files hold them: binary .vmcx, and XML before 2016. */
import { attribute, parseXml, type XmlElement } from '../../../io/xml.ts';
import { AppError } from '../../../model/errors.ts';

export type SettingValue = string | number | boolean | Uint8Array;

export interface SettingNode {
  /** By their names in small letters, in the file's order; of several of one name the first. */
  readonly children: ReadonlyMap<string, SettingNode>;
  /** Undefined for a node without one, or one that makes no sense. */
  value(): SettingValue | undefined;
}

const mostText = 32 * 1024;

export function at(node: SettingNode | undefined, ...path: readonly string[]): SettingNode | undefined {
  let found = node;
  for (const name of path) found = found?.children.get(name.toLowerCase());
  return found;
}

/** Empty where it is missing. */
export function textAt(node: SettingNode | undefined, ...path: readonly string[]): string {
  const value = at(node, ...path)?.value();
  return typeof value === 'string' ? value.slice(0, mostText) : '';
}

/** From 0 on; undefined where it is missing or no such number. */
export function countAt(node: SettingNode | undefined, ...path: readonly string[]): number | undefined {
  const value = at(node, ...path)?.value();
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

export function flagAt(node: SettingNode | undefined, ...path: readonly string[]): boolean | undefined {
  const value = at(node, ...path)?.value();
  return typeof value === 'boolean' ? value : undefined;
}

/** @throws AppError `corrupt`, `unsupported`. */
export function settingsOfXml(bytes: Uint8Array, where: string): SettingNode {
  const root = parseXml(bytes, where);
  if (root.local !== 'configuration') {
    throw new AppError('corrupt', `its first element is "${root.local}", expected "configuration"`, {
      where,
    });
  }
  return nodeOf(root);
}

function nodeOf(element: XmlElement): SettingNode {
  const children = new Map<string, SettingNode>();
  for (const child of element.children) {
    const name = child.local.toLowerCase();
    if (!children.has(name)) children.set(name, nodeOf(child));
  }
  return { children, value: () => textValue(element) };
}

function textValue(element: XmlElement): SettingValue | undefined {
  const text = element.text.trim();
  switch (attribute(element, 'type')) {
    case 'string':
      return text;
    case 'integer':
      return /^-?\d{1,20}$/.test(text) ? Number(text) : undefined;
    case 'bool':
    case 'boolean':
      return /^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : undefined;
    case 'bytes':
      return Buffer.from(text, 'base64');
    default:
      return undefined;
  }
}
