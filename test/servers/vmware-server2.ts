/**
 * A fake of VMware Server 2, written from the vendor's reference of API 2.5 (the types, properties and first versions
 * as pyVmomi has them, which reads it as a second client): one datacenter, one host, the datastore "standard", two
 * machines, and the datastore's files over HTTPS.
 *
 * What it is not: a product. It knows the calls that it was asked for in tests, refuses what API 2.5 does not have
 * (views, RetrievePropertiesEx, layoutEx, vApps, names and parents of datastores), and its machines write nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { child, childrenOf, escapeXml, parseXml, textOf, type XmlElement } from '../../src/io/xml.ts';
import { selfSigned } from '../io/https/self-signed.ts';
import { type HttpsServer, startHttps } from '../io/https/server.ts';
import { inventory, type Managed, reference, snapshotOf } from './vmware-server2-inventory.ts';

export interface VmwareServer2 extends HttpsServer {
  readonly user: string;
  readonly password: string;
  /** Of the datastore: path → bytes. */
  readonly files: Map<string, Buffer>;
  /** Methods in the order in which they were called. */
  readonly calls: string[];
  /** Ends all sessions. */
  forget(): void;
}

export interface Server2Options {
  readonly running?: boolean;
  /** It has a snapshot already, its only one. */
  readonly snapshot?: boolean;
  /** It speaks TLS 1.0 and nothing else, as the product does. */
  readonly oldTls?: boolean;
}

const oldTls = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;

class Fault extends Error {
  readonly type: string;
  readonly detail: string;
  constructor(type: string, detail = '') {
    super(type);
    this.type = type;
    this.detail = detail;
  }
}

/** Each request names a version: those that this server speaks. */
const versions = /^"?urn:vim25\/2\.5(u2|u2server)?"?$/;

export async function startVmwareServer2(options: Server2Options = {}): Promise<VmwareServer2> {
  const [user, password] = ['operator', 'pa<ss&w"o]]>rd%41 ü'];
  const files = new Map<string, Buffer>();
  const calls: string[] = [];
  const objects = inventory(options);
  const sessions = new Set<string>();
  const server = await startHttps(
    (request, response) => {
      if (request.url?.startsWith('/folder/')) return sendFile(request, response);
      // Neither vimServiceVersions.xml nor anything else is there.
      if (request.url !== '/sdk') return void response.writeHead(404).end();
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => answer(request, response, Buffer.concat(chunks)));
    },
    0,
    options.oldTls ? { ...selfSigned('an old server'), ...oldTls } : selfSigned('a server'),
  );

  const signedIn = ({ headers }: IncomingMessage) => {
    const cookie = /vmware_soap_session="([^"]+)"/.exec(headers.cookie ?? '')?.[1];
    const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    return sessions.has(cookie ?? '') || headers.authorization === basic;
  };

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const call = child(parseXml(body, 'request'), 'Body')!.children[0]!;
    calls.push(call.local);
    try {
      if (!versions.test(String(request.headers.soapaction)) || call.uri !== 'urn:vim25')
        throw new Fault('InvalidRequest');
      const open = ['RetrieveServiceContent', 'Login', 'CurrentTime'].includes(call.local);
      if (!open && !signedIn(request)) throw new Fault('NotAuthenticated');
      if (call.local === 'Login') {
        const fits = textOf(call, 'userName') === user && textOf(call, 'password') === password;
        if (!fits) throw new Fault('InvalidLogin');
        const key = `52-${sessions.size}-${calls.length}`;
        sessions.add(key);
        response.setHeader('set-cookie', `vmware_soap_session="${key}"; Path=/;`);
      }
      if (call.local === 'Logout') sessions.clear();
      const found = respond(call, objects);
      response.end(envelope(`<${call.local}Response xmlns="urn:vim25">${found}</${call.local}Response>`));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { type, detail } = error;
      const told = `<${type}Fault xmlns="urn:vim25" xsi:type="${type}">${detail}</${type}Fault>`;
      response
        .writeHead(500)
        .end(
          envelope(
            `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring/><detail>${told}</detail></soapenv:Fault>`,
          ),
        );
    }
  }

  function sendFile(request: IncomingMessage, response: ServerResponse): void {
    if (!signedIn(request)) return void response.writeHead(401).end();
    const url = new URL(request.url!, 'https://server');
    const place = `${url.searchParams.get('dcPath')} ${url.searchParams.get('dsName')}`;
    const bytes = files.get(decodeURIComponent(url.pathname.slice('/folder/'.length)));
    if (bytes === undefined || place !== 'ha-datacenter standard') return void response.writeHead(404).end();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) return void response.end(bytes);
    const [first, last] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${bytes.length}` });
    response.end(bytes.subarray(first, last + 1));
  }

  return { ...server, user, password, files, calls, forget: () => sessions.clear() };
}

const envelope = (inner: string): string =>
  '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' +
  `<soapenv:Body>${inner}</soapenv:Body></soapenv:Envelope>`;

const now = '2009-11-02T10:00:00Z';
const session = `<returnval><key>52</key><userName>operator</userName><fullName>operator</fullName><loginTime>${now}</loginTime><lastActiveTime>${now}</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>`;

/** Without a ViewManager, which API 2.5 calls optional. */
const content = `<returnval><rootFolder type="Folder">ha-folder-root</rootFolder><propertyCollector type="PropertyCollector">ha-property-collector</propertyCollector><about><name>VMware Server</name><fullName>VMware Server 2.0.2 build-203138</fullName><vendor>VMware, Inc.</vendor><version>2.0.2</version><build>203138</build><osType>linux-x86</osType><productLineId>gsx</productLineId><apiType>HostAgent</apiType><apiVersion>2.5</apiVersion></about><sessionManager type="SessionManager">ha-sessionmgr</sessionManager></returnval>`;

function respond(call: XmlElement, objects: Map<string, Managed>): string {
  const self = child(call, '_this')!.text;
  switch (call.local) {
    case 'RetrieveServiceContent':
      return content;
    case 'Login':
      return session;
    case 'Logout':
      return '';
    case 'CurrentTime':
      return `<returnval>${now}</returnval>`;
    case 'RetrieveProperties':
      return childrenOf(call, 'specSet')
        .flatMap((set) => retrieved(set, objects))
        .join('');
    case 'CreateSnapshot_Task':
      snapshotOf(objects, self, textOf(call, 'name')!, textOf(call, 'description')!);
      return `<returnval type="Task">task-1</returnval>`;
    case 'RemoveSnapshot_Task': {
      const unknown = call.children.find(({ local }) => !['_this', 'removeChildren'].includes(local));
      if (unknown !== undefined) throw new Fault('InvalidRequest');
      objects.delete(self);
      for (const { properties } of objects.values()) properties.delete('snapshot');
      return `<returnval type="Task">task-2</returnval>`;
    }
    default:
      throw new Fault('InvalidRequest');
  }
}

/** What a filter's objects and traversals lead to, with the properties that its sets name. */
function retrieved(filter: XmlElement, objects: Map<string, Managed>): string[] {
  const sets = new Map(
    childrenOf(filter, 'propSet').map((set) => [
      textOf(set, 'type')!,
      childrenOf(set, 'pathSet').map((path) => path.text),
    ]),
  );
  for (const [type, paths] of sets) {
    const known = knownPaths[type];
    if (known === undefined) throw new Fault('InvalidType', `<argument>${escapeXml(type)}</argument>`);
    const wrong = paths.find((path) => !known.includes(path));
    if (wrong !== undefined) throw new Fault('InvalidProperty', `<name>${escapeXml(wrong)}</name>`);
  }
  const found = new Set<string>();
  for (const set of childrenOf(filter, 'objectSet')) {
    const specs = everySpec(set);
    const start = child(set, 'obj')!.text;
    if (!objects.has(start)) {
      const type = child(set, 'obj')!.attributes.find(({ local }) => local === 'type')!.value;
      throw new Fault('ManagedObjectNotFound', `<obj type="${type}">${start}</obj>`);
    }
    if (textOf(set, 'skip') !== 'true') found.add(start);
    walk(start, childrenOf(set, 'selectSet'), specs, objects, found);
  }
  return [...found].flatMap((id) => {
    const { type, properties } = objects.get(id)!;
    const wanted = sets.get(type);
    if (wanted === undefined) return [];
    const values = wanted.flatMap((path) =>
      properties.has(path) ? [`<propSet><name>${path}</name>${properties.get(path)}</propSet>`] : [],
    );
    return [`<returnval>${reference('obj', type, id)}${values.join('')}</returnval>`];
  });
}

function everySpec(of: XmlElement): Map<string, XmlElement> {
  const specs = new Map<string, XmlElement>();
  const visit = (element: XmlElement) => {
    for (const spec of childrenOf(element, 'selectSet')) {
      if (child(spec, 'path') !== undefined) specs.set(textOf(spec, 'name') ?? '', spec);
      visit(spec);
    }
  };
  visit(of);
  return specs;
}

function walk(
  id: string,
  selections: readonly XmlElement[],
  specs: ReadonlyMap<string, XmlElement>,
  objects: Map<string, Managed>,
  found: Set<string>,
): void {
  for (const selection of selections) {
    const spec = child(selection, 'path') === undefined ? specs.get(textOf(selection, 'name')!) : selection;
    if (spec === undefined) throw new Fault('InvalidArgument');
    const { type, properties } = objects.get(id)!;
    if (textOf(spec, 'type') !== type) continue;
    const named = properties.get(textOf(spec, 'path')!) ?? '';
    for (const [, next = ''] of named.matchAll(/ type="\w+"[^>]*>([^<]+)</g)) {
      if (!objects.has(next)) continue;
      const known = found.has(next);
      if (textOf(spec, 'skip') !== 'true') found.add(next);
      if (!known) walk(next, childrenOf(spec, 'selectSet'), specs, objects, found);
    }
  }
}

const entity = ['name', 'parent'];

/** As in the reference of API 2.5, as far as it is asked for. A test holds our client against pyVmomi's own table. */
const knownPaths: Readonly<Record<string, readonly string[]>> = {
  Folder: [...entity, 'childEntity'],
  Datacenter: [...entity, 'datastore', 'network', 'vmFolder', 'hostFolder'],
  ComputeResource: [...entity, 'host'],
  HostSystem: entity,
  Network: ['name'],
  Datastore: ['summary.name', 'summary.url', 'summary.type'],
  Task: ['info'],
  VirtualMachineSnapshot: ['config'],
  VirtualMachine: [
    ...entity,
    ...[
      'runtime.powerState',
      'runtime.connectionState',
      'runtime.host',
      'config.template',
      'config.annotation',
    ],
    ...['config.uuid', 'config.guestId', 'config.guestFullName', 'config.bootOptions', 'config.hardware'],
    ...['guest.hostName', 'guest.guestFullName', 'layout', 'snapshot', 'datastore'],
    'capability.multipleSnapshotsSupported',
  ],
};
