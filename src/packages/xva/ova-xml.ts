/**
 * The description inside an XVA: `ova.xml`, one value of XML-RPC. A struct with `version` and `objects`; each object has
 * its class, its id in the file (`Ref:12`) and its record as it was (`snapshot`).
 */
import { child, childrenOf, escapeXml, parseXml, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { isRecord, textIn, type XenClass, type XenRecord, type XenValue, type XenWorld } from './records.ts';

export interface XvaObject {
  readonly kind: string;
  readonly id: string;
  readonly record: XenRecord;
}

export interface XvaDescription extends XenWorld {
  readonly objects: readonly XvaObject[];
}

/** @throws AppError `corrupt`, `unsupported`. */
export function parseOvaXml(bytes: Uint8Array, where: string): XvaDescription {
  const root = parseXml(bytes, where);
  const value = root.local === 'value' ? xmlValue(root) : undefined;
  const list = isRecord(value) ? value.objects : undefined;
  if (!Array.isArray(list)) {
    throw new AppError(
      root.local === 'appliance' ? 'unsupported' : 'corrupt',
      'ova.xml has no list of objects',
      {
        where,
        hint: 'exports of XenServer from 4.0 on can be read; fetch it again if it is one',
      },
    );
  }
  const objects = list.filter(isRecord).flatMap((entry) => {
    const [kind, id, record] = [textIn(entry, 'class'), textIn(entry, 'id'), entry.snapshot];
    return kind === undefined || id === undefined || !isRecord(record) ? [] : [{ kind, id, record }];
  });
  const byId = new Map(objects.map(({ kind, id, record }) => [`${kind} ${id}`, record]));
  return { objects, record: (kind: XenClass, ref: string) => byId.get(`${kind} ${ref}`) };
}

/** Whole numbers are texts in this API; the types of XML-RPC that mean the same are read, too. */
function xmlValue(element: XmlElement): XenValue {
  const [typed] = element.children;
  if (typed === undefined) return element.text;
  switch (typed.local) {
    case 'struct': {
      const members = childrenOf(typed, 'member').flatMap((member) => {
        const [name, value] = [child(member, 'name'), child(member, 'value')];
        return name === undefined || value === undefined ? [] : [[name.text, xmlValue(value)] as const];
      });
      return Object.fromEntries(members);
    }
    case 'array':
      return childrenOf(child(typed, 'data') ?? typed, 'value').map(xmlValue);
    case 'boolean':
      return typed.text.trim() === '1';
    case 'double':
      return Number(typed.text);
    case 'nil':
      return null;
    default:
      return typed.text;
  }
}

/** The version that tells an importer of inline checksums. */
const exportVersion = '2';

export function formatOvaXml(objects: readonly XvaObject[]): Buffer {
  const version = {
    hostname: 'vmferry',
    date: '',
    product_version: '7.0.0',
    product_brand: 'XenServer',
    build_number: '0',
    xapi_major: '1',
    xapi_minor: '9',
    export_vsn: exportVersion,
  };
  const list = objects.map(({ kind, id, record }) => ({ class: kind, id, snapshot: record }));
  return Buffer.from(`<?xml version="1.0"?>\n${xmlOf({ version, objects: list })}\n`);
}

function xmlOf(value: XenValue): string {
  if (typeof value === 'string') return `<value>${escapeXml(value)}</value>`;
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === 'number') return `<value><double>${value}</double></value>`;
  if (value === null) return '<value><nil/></value>';
  if (Array.isArray(value)) return `<value><array><data>${value.map(xmlOf).join('')}</data></array></value>`;
  const members = Object.entries(value).map(
    ([name, one]) => `<member><name>${escapeXml(name)}</name>${xmlOf(one)}</member>`,
  );
  return `<value><struct>${members.join('')}</struct></value>`;
}
