/**
 * SOAP 1.1 as the vSphere Web Services API speaks it (VMware, "vSphere Web Services SDK Programming Guide"): one
 * element in the body, its managed object first, then its parameters in the order of the API reference.
 */
import { child, childrenOf, escapeXml, parseXml, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';

/** A managed object: its type, and its id in this server. */
export interface Ref {
  readonly type: string;
  readonly id: string;
}

/** XML that is escaped already. */
export type Xml = string;

export const text = (name: string, value: string | number | boolean): Xml =>
  `<${name}>${escapeXml(String(value))}</${name}>`;

export const element = (name: string, ...content: readonly Xml[]): Xml =>
  `<${name}>${content.join('')}</${name}>`;

/** An element whose declared type is wider than what is in it. */
export const typed = (name: string, type: string, ...content: readonly Xml[]): Xml =>
  `<${name} xsi:type="${escapeXml(type)}">${content.join('')}</${name}>`;

export const refTo = (name: string, { type, id }: Ref): Xml =>
  `<${name} type="${escapeXml(type)}">${escapeXml(id)}</${name}>`;

export const envelope = (method: string, self: Ref, parameters: readonly Xml[]): string =>
  '<?xml version="1.0" encoding="UTF-8"?>' +
  '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">' +
  `<soapenv:Body><${method} xmlns="urn:vim25">${refTo('_this', self)}${parameters.join('')}</${method}>` +
  '</soapenv:Body></soapenv:Envelope>';

export interface Fault {
  /** The API's name of it, such as `NotAuthenticated`; empty where the server tells none. */
  readonly type: string;
  readonly message: string;
  readonly detail: XmlElement | undefined;
}

/** The values returned, or the fault. @throws AppError `corrupt`, `unsupported`. */
export function parseAnswer(bytes: Uint8Array, where: string): { values: XmlElement[] } | { fault: Fault } {
  const root = parseXml(bytes, where);
  const body = child(root, 'Body');
  const [answer] = body?.children ?? [];
  if (root.local !== 'Envelope' || body === undefined || answer === undefined)
    throw new AppError('corrupt', 'this is not an answer of the vSphere API', { where });
  if (answer.local !== 'Fault') return { values: childrenOf(answer, 'returnval') };
  const detail = child(answer, 'detail')?.children[0];
  const message = child(answer, 'faultstring')?.text.trim() ?? '';
  return {
    fault: { type: detail === undefined ? '' : typeOf(detail).replace(/Fault$/, ''), message, detail },
  };
}

/** `xsi:type` without its prefix, else the element's own name. */
export function typeOf(e: XmlElement): string {
  const given = e.attributes.find((a) => a.local === 'type' && a.uri.endsWith('/XMLSchema-instance'));
  return given === undefined ? e.local : given.value.replace(/^.*:/, '');
}

/** @throws AppError `corrupt`. */
export function refOf(e: XmlElement): Ref {
  const type = e.attributes.find((a) => a.local === 'type' && a.uri === '')?.value ?? '';
  const id = e.text.trim();
  if (type === '' || id === '') throw new AppError('corrupt', `<${e.local}> names no managed object`);
  return { type, id };
}

/** A child that is a reference; undefined where it is absent. */
export function refIn(parent: XmlElement | undefined, local: string): Ref | undefined {
  const found = parent === undefined ? undefined : child(parent, local);
  return found === undefined ? undefined : refOf(found);
}

/** A whole number that is not negative; undefined where it is absent or none. */
export function numberIn(parent: XmlElement | undefined, local: string): number | undefined {
  const content = parent === undefined ? undefined : child(parent, local)?.text.trim();
  if (content === undefined || !/^\d{1,16}$/.test(content)) return undefined;
  const number = Number(content);
  return Number.isSafeInteger(number) ? number : undefined;
}

export const isTrue = (e: XmlElement | undefined): boolean => /^(true|1)$/.test(e?.text.trim() ?? '');
