/** What a server may answer that vcsim does not: faults, old versions, nonsense. Each answer is written by hand. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { ofObject, viewed } from '../../../src/env-plugins/vsphere/properties.ts';
import { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { serverSettings } from '../../../src/env-plugins/vsphere/settings.ts';
import { sourceRole } from '../../../src/env-plugins/vsphere/source.ts';
import { startHttps } from '../../io/https/server.ts';

const never = new AbortController().signal;

const envelope = (inner: string) =>
  '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">' +
  `<soapenv:Body>${inner}</soapenv:Body></soapenv:Envelope>`;

const fault = (type: string, detail = '', text = 'as the server says it') =>
  envelope(
    `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>${text}</faultstring><detail>` +
      `<${type}Fault xmlns="urn:vim25" xsi:type="${type}">${detail}</${type}Fault></detail></soapenv:Fault>`,
  );

const result = (method: string, inner: string) =>
  envelope(`<${method}Response xmlns="urn:vim25">${inner}</${method}Response>`);

const content = `<returnval><rootFolder type="Folder">group-d1</rootFolder>
<propertyCollector type="PropertyCollector">pc</propertyCollector><viewManager type="ViewManager">vm</viewManager>
<about><fullName>A server</fullName><apiType>HostAgent</apiType><apiVersion>7.0</apiVersion></about>
<sessionManager type="SessionManager">sm</sessionManager></returnval>`;

const versions = (...all: string[]) =>
  `<?xml version="1.0"?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>${all[0]}</version>` +
  `<priorVersions>${all
    .slice(1)
    .map((v) => `<version>${v}</version>`)
    .join('')}</priorVersions></namespace></namespaces>`;

interface Fake {
  readonly versions?: string | undefined;
  /** By the method's name; the number of calls of it so far. */
  answer?(method: string, count: number, body: string): string | undefined;
}

async function fake({ versions: list = versions('7.0.3.0', '7.0', '6.5'), answer }: Fake) {
  const calls: string[] = [];
  const actions = new Set<string | undefined>();
  const server = await startHttps((request, response) => {
    if (request.url === '/sdk/vimServiceVersions.xml') {
      if (list === '') response.writeHead(404);
      return void response.end(list);
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const method = /<soapenv:Body><(\w+)/.exec(body)![1]!;
      calls.push(method);
      actions.add(request.headers.soapaction as string | undefined);
      const count = calls.filter((m) => m === method).length;
      const usual: Record<string, string> = {
        RetrieveServiceContent: result(method, content),
        Login: result(method, '<returnval><key>k</key></returnval>'),
        CreateContainerView: result(method, '<returnval type="ContainerView">view-1</returnval>'),
        RetrievePropertiesEx: result(method, ''),
      };
      const said = answer?.(method, count, body) ?? usual[method] ?? result(method, '');
      response.writeHead(said.includes('Fault>') ? 500 : 200, {
        ...(method === 'Login'
          ? { 'set-cookie': `vmware_soap_session="${count}"; Path=/; HttpOnly; Secure` }
          : {}),
      });
      response.end(said);
    });
  });
  const client = await server.client();
  const open = async () => {
    const session = await VimSession.open(client, { user: 'u<', password: async () => 'p&' }, never);
    onTestFinished(() => session.close());
    return session;
  };
  return { open, calls, actions };
}

const machines = [{ type: 'VirtualMachine', paths: ['name'] }];
const listing = async (server: Awaited<ReturnType<typeof fake>>) =>
  viewed(await server.open(), machines, 'listing', never);

const object = (id: string, name: string) =>
  `<objects><obj type="VirtualMachine">${id}</obj><propSet><name>name</name>` +
  `<val xsi:type="xsd:string">${name}</val></propSet></objects>`;

describe('versions of the API', () => {
  it('are chosen by what both know', async () => {
    for (const [offered, action] of [
      [versions('7.0.3.0', '7.0', '6.5'), '"urn:vim25/7.0.3.0"'],
      [versions('9.1.0.0', '9.0.0.0', '8.0.2.0', '7.0'), '"urn:vim25/8.0.2.0"'],
      [versions('4.0', '2.5u2', '2.5'), '"urn:vim25/4.0"'],
      ['', '"urn:vim25/2.5"'],
    ] as const) {
      const server = await fake({ versions: offered });
      await server.open();
      expect([...server.actions]).toEqual([action]);
    }
  });

  it('before 4.1 have a property collector without pages', async () => {
    const server = await fake({
      versions: versions('4.0'),
      answer: (method) =>
        method === 'RetrieveProperties'
          ? result(method, object('16', 'old').replaceAll('objects>', 'returnval>'))
          : undefined,
    });
    const [found] = await listing(server);
    expect([found!.ref.id, found!.values.get('name')!.text]).toEqual(['16', 'old']);
    expect(server.calls).not.toContain('RetrievePropertiesEx');
  });

  it('are none of another web server', async () => {
    for (const page of ['<html><body>hello</body></html>', 'no XML at all', '<namespaces/>'])
      await expect((await fake({ versions: page })).open()).rejects.toMatchObject({
        kind: expect.stringMatching(/^(unsupported|corrupt)$/),
      });
  });
});

describe('faults in words', () => {
  const cases: [string, string, Record<string, unknown>][] = [
    ['InvalidLogin', '', { kind: 'auth', message: 'login: the user name or the password is wrong' }],
    [
      'NoPermission',
      '<object type="Folder">group-d1</object><privilegeId>System.View</privilegeId>',
      { kind: 'auth', message: 'login: the privilege System.View is missing on Folder group-d1' },
    ],
    ['RestrictedVersion', '', { kind: 'unsupported', hint: expect.stringContaining('free ESXi') }],
    ['SomethingNew', '', { kind: 'io', message: 'login: SomethingNew (as the server says it)' }],
  ];
  for (const [type, detail, expected] of cases) {
    it(`say ${type}`, async () => {
      const server = await fake({ answer: (m) => (m === 'Login' ? fault(type, detail) : undefined) });
      await expect(server.open()).rejects.toMatchObject(expected);
    });
  }
});

describe('a list', () => {
  it('goes from page to page', async () => {
    const server = await fake({
      answer(method, count) {
        if (method === 'RetrievePropertiesEx')
          return result(method, `<returnval><token>1</token>${object('vm-1', 'a')}</returnval>`);
        if (method !== 'ContinueRetrievePropertiesEx') return undefined;
        const token = count < 3 ? `<token>${count + 1}</token>` : '';
        return result(method, `<returnval>${token}${object(`vm-${count + 1}`, 'b')}</returnval>`);
      },
    });
    expect((await listing(server)).map((o) => o.ref.id)).toEqual(['vm-1', 'vm-2', 'vm-3', 'vm-4']);
    expect(server.calls).toContain('DestroyView');
  });

  it('is begun anew when its session ends between two pages', async () => {
    const server = await fake({
      answer(method, count) {
        if (method === 'RetrievePropertiesEx') {
          const token = count === 1 ? '<token>1</token>' : '';
          return result(method, `<returnval>${token}${object('vm-1', 'a')}</returnval>`);
        }
        return method === 'ContinueRetrievePropertiesEx' ? fault('NotAuthenticated') : undefined;
      },
    });
    expect(await listing(server)).toHaveLength(1);
    expect(server.calls.filter((m) => m === 'Login')).toHaveLength(2);
  });

  it('leaves out a machine that is gone meanwhile', async () => {
    const server = await fake({
      answer(method, _count, body) {
        if (method !== 'RetrievePropertiesEx') return undefined;
        if (body.includes('ContainerView') && body.includes('VirtualMachine'))
          return result(method, `<returnval>${object('vm-1', 'a')}${object('vm-2', 'b')}</returnval>`);
        if (body.includes('ContainerView')) return undefined;
        if (body.includes('>vm-1<'))
          return fault('ManagedObjectNotFound', '<obj type="VirtualMachine">vm-1</obj>');
        return result(method, `<returnval>${object('vm-2', 'b')}</returnval>`);
      },
    });
    const found: string[] = [];
    const settings = { host: '127.0.0.1', user: 'x' };
    const source = sourceRole({
      session: await server.open(),
      server: serverSettings(settings),
      settings,
      plugin: {
        signal: never,
        secret: async () => 'x',
        report: () => undefined,
        confirm: async () => false,
      },
      certificates: '',
    });
    await source.list({ signal: never, found: (machine) => found.push(machine.name) });
    expect(found).toEqual(['b']);
  });

  const hostile: [string, string, string][] = [
    [
      'names other files (entities)',
      `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>`,
      'unsupported',
    ],
    ['nests without end', `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`, 'unsupported'],
    ['is cut', envelope('<x>').slice(0, 200), 'corrupt'],
    ['is no SOAP', '<html/>', 'corrupt'],
    ['has 17 MiB', envelope(`<x>${'a'.repeat(17 * 1024 * 1024)}</x>`), 'unsupported'],
    ['gives pages without end', result('x', `<returnval><token>1</token></returnval>`), 'corrupt'],
  ];
  for (const [what, xml, kind] of hostile) {
    it(`that ${what} is refused`, async () => {
      const server = await fake({
        answer: (method) => (method.includes('RetrievePropertiesEx') ? xml : undefined),
      });
      await expect(listing(server)).rejects.toMatchObject({ kind });
    });
  }

  it('of one object that goes on with others is refused', async () => {
    const server = await fake({
      answer: (method, count) =>
        method.includes('RetrievePropertiesEx')
          ? result(method, `<returnval><token>${count}</token>${object('vm-1', 'a')}</returnval>`)
          : undefined,
    });
    const session = await server.open();
    const asked = ofObject(session, { type: 'VirtualMachine', id: 'vm-1' }, ['name'], 'looking', never);
    await expect(asked).rejects.toMatchObject({ kind: 'corrupt' });
    expect(server.calls.filter((m) => m.includes('RetrievePropertiesEx'))).toHaveLength(2);
  });

  it('asks again only once when every session ends at once', async () => {
    const server = await fake({
      answer: (method) => (method === 'CreateContainerView' ? fault('NotAuthenticated') : undefined),
    });
    await expect(listing(server)).rejects.toMatchObject({ kind: 'auth' });
    expect(server.calls.filter((m) => m === 'Login').length).toBeLessThanOrEqual(3);
  });
});
