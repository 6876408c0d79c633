/**
 * A fake of vmrest, written from the vendor's reference ("VMware Workstation Pro API": GET /vms, GET and PUT
 * /vms/{id}/power, POST /vms/registration) with its media type and errors. Nothing runs in it.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface FakeVmrest {
  readonly address: string;
  readonly user: string;
  readonly password: string;
  /** Of its library: id → path and state. */
  readonly machines: Map<string, { path: string; state: string }>;
}

const mediaType = 'application/vnd.vmware.vmw.rest-v1+json';

export async function startVmrest(): Promise<FakeVmrest> {
  const [user, password] = ['operator', 'Pa"s\\s$ w0rd'];
  const machines: FakeVmrest['machines'] = new Map();
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  async function answer(request: IncomingMessage): Promise<[status: number, body: unknown]> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { method, url, headers } = request;
    if (headers.authorization !== authorization) return [401, refusal(104, 'Authentication failed')];
    if (headers.accept !== mediaType) return [406, refusal(107, 'Content type was not supported')];
    if (method !== 'GET' && headers['content-type'] !== mediaType)
      return [415, refusal(107, 'Content type was not supported')];
    if (method === 'GET' && url === '/api/vms')
      return [200, [...machines].map(([id, { path }]) => ({ id, path }))];
    if (method === 'POST' && url === '/api/vms/registration') {
      const { path } = JSON.parse(body);
      const id = `${machines.size}`.padStart(32, 'A');
      machines.set(id, { path, state: 'poweredOff' });
      return [201, { id, path }];
    }
    const machine = machines.get(/^\/api\/vms\/(\w+)\/power$/.exec(url!)?.[1] ?? '');
    if (machine === undefined) return [404, refusal(106, 'The resource was not found')];
    if (method === 'PUT') {
      if (body !== 'on') return [400, refusal(101, 'Invalid parameters')];
      machine.state = 'poweredOn';
    }
    return [200, { power_state: machine.state }];
  }

  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request);
    response.writeHead(status, { 'content-type': mediaType });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    ...{ user, password, machines },
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
}

const refusal = (code: number, message: string) => ({ Code: code, Message: message });
