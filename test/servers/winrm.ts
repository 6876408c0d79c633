/**
 * A fake WinRM server, written from [MS-WSMV] (shells; 2.2.9.1 for what is sealed), [MS-NLMP] and RFC 7617. No Windows
 * runs here: whatever `run` says is what a command does. An independent client (Debian's python3-winrm) checks it in
 * winrm.oracle.test.ts. As Windows is by default: over plain HTTP nothing counts that is not sealed, and no Basic.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTls } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Sealing } from '../../src/io/ntlm/sealing.ts';
import { selfSigned } from '../io/https/self-signed.ts';
import { type NtlmServerLogin, ntlmServer } from './ntlm-server.ts';
import { fakeShells, type RunLine, type Shells } from './winrm-shells.ts';

export interface WinRmServerOptions {
  readonly tls: boolean;
  readonly users: ReadonlyMap<string, string>;
  /** Names of what is offered; default Negotiate, with TLS Basic as well. */
  readonly offers?: readonly string[];
  readonly run: RunLine;
  /** Of the challenge, instead of the usual ones. */
  readonly ntlmFlags?: number;
}

export interface Reply {
  status: number;
  type: string;
  body: Buffer;
}

export interface FakeWinRm extends Shells {
  readonly port: number;
  /** As people compare it; empty without TLS. */
  readonly fingerprint: string;
  readonly certificate: string;
  /** Connections that were made, and that are open. */
  readonly connections: { made: number; readonly open: Set<Socket> };
  /** Requests that carried readable SOAP, and those that were sealed. */
  readonly seen: { plain: number; sealed: number };
  /** Changes an answer on its way, sealed as it is; false: the connection is cut instead. */
  onReply: ((reply: Reply, action: string | undefined) => Reply | false) | undefined;
  /** Changes the XML before it is sealed. */
  onXml: ((xml: string, action: string) => string) | undefined;
}

interface Visitor {
  login?: NtlmServerLogin;
  user?: string;
  sealing?: Sealing;
}

const spnego = 'application/HTTP-SPNEGO-session-encrypted';

export async function startWinRm(options: WinRmServerOptions): Promise<FakeWinRm> {
  const pair = selfSigned('HV01');
  const der = new X509Certificate(pair.cert).raw;
  const endPoint = options.tls ? createHash('sha256').update(der).digest() : undefined;
  const visitors = new WeakMap<Socket, Visitor>();
  const open = new Set<Socket>();
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const visitor = visitors.get(request.socket) ?? {};
    visitors.set(request.socket, visitor);
    void serve(fake, { ...options, endPoint }, visitor, request, response).catch(() =>
      request.socket.destroy(),
    );
  };
  const server = options.tls ? createTls(pair, listener) : createServer(listener);
  const shells = fakeShells(options.run);
  const connections = { made: 0, open };
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.made++;
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const print = createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)!.join(':');
  const fake: FakeWinRm = Object.assign(shells, {
    port: (server.address() as AddressInfo).port,
    fingerprint: options.tls ? print : '',
    certificate: pair.cert,
    connections,
    seen: { plain: 0, sealed: 0 },
    onReply: undefined,
    onXml: undefined,
  });
  return fake;
}

type Serving = WinRmServerOptions & { readonly endPoint: Buffer | undefined };

async function serve(
  fake: FakeWinRm,
  options: Serving,
  visitor: Visitor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const end = (reply: Reply, action?: string, headers: Record<string, string | string[]> = {}) => {
    const last = fake.onReply === undefined ? reply : fake.onReply(reply, action);
    if (last === false) return request.socket.destroy();
    response.writeHead(last.status, {
      ...headers,
      ...(last.type === '' ? {} : { 'content-type': last.type }),
      'content-length': last.body.length,
    });
    response.end(last.body);
  };
  const nothing: Reply = { status: 200, type: '', body: Buffer.alloc(0) };
  const challenge = (values: string[]) =>
    end({ ...nothing, status: 401 }, undefined, { 'www-authenticate': values });
  if (request.method !== 'POST' || request.url !== '/wsman') return void end({ ...nothing, status: 404 });
  const offers = options.offers ?? (options.tls ? ['Negotiate', 'Basic realm="WSMAN"'] : ['Negotiate']);
  const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
  const isOffered = offers.some((one) => one.split(' ')[0] === scheme);
  if (scheme !== '' && !isOffered) return void challenge([...offers]);
  if (scheme === 'Negotiate') {
    const message = Buffer.from(token, 'base64');
    if (message.readUInt32LE(8) === 1) {
      const { users, endPoint, ntlmFlags } = options;
      visitor.login = ntlmServer({
        users,
        endPoint,
        ...(ntlmFlags === undefined ? {} : { flags: ntlmFlags }),
      });
      return void challenge([`Negotiate ${visitor.login.challenge(message).toString('base64')}`]);
    }
    const done = visitor.login?.finish(message);
    if (done === undefined) return void challenge([...offers]);
    Object.assign(visitor, done);
  }
  if (scheme === 'Basic') {
    const [user = '', password] = Buffer.from(token, 'base64').toString().split(/:(.*)/s);
    if (options.users.get(user) !== password) return void challenge([...offers]);
    visitor.user = user;
  }
  if (visitor.user === undefined) return void challenge([...offers]);
  if (body.length === 0) return void end(nothing);
  await talk(fake, options, visitor, request, body, end);
}

async function talk(
  fake: FakeWinRm,
  { tls }: Serving,
  { sealing }: Visitor,
  request: IncomingMessage,
  body: Buffer,
  end: (reply: Reply, action?: string) => void,
): Promise<void> {
  const type = request.headers['content-type'] ?? '';
  const isSealed = type === `multipart/encrypted;protocol="${spnego}";boundary="Encrypted Boundary"`;
  if (isSealed) fake.seen.sealed++;
  else fake.seen.plain++;
  // AllowUnencrypted is false.
  if (!isSealed && !tls) return end({ status: 500, type: '', body: Buffer.alloc(0) });
  const message = isSealed ? unwrap(sealing!, body) : body;
  const answer = await fake.answer(message);
  const action = fake.asked.at(-1)!;
  const xml = Buffer.from(fake.onXml?.(answer.xml, action) ?? answer.xml);
  if (!isSealed)
    return end({ status: answer.status, type: 'application/soap+xml;charset=UTF-8', body: xml }, action);
  end({ status: answer.status, type, body: wrap(sealing!, xml) }, action);
}

/** [MS-WSMV] 2.2.9.1.1.2: both parts, by the letter. */
function unwrap(sealing: Sealing, body: Buffer): Buffer {
  const text = body.toString('latin1');
  const [head, length] =
    /^--Encrypted Boundary\r\n\tContent-Type: application\/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: type=application\/soap\+xml;charset=UTF-8;Length=(\d+)\r\n--Encrypted Boundary\r\n\tContent-Type: application\/octet-stream\r\n/.exec(
      text,
    ) ?? [];
  if (head === undefined || body.readUInt32LE(head.length) !== 16)
    throw new Error('not laid out as it must be');
  const from = head.length + 4;
  const rest = text.slice(from + 16 + Number(length));
  if (rest !== '--Encrypted Boundary--\r\n') throw new Error('its end is not where its length says');
  const signature = body.subarray(from, from + 16);
  return sealing.unseal({ signature, message: body.subarray(from + 16, from + 16 + Number(length)) });
}

function wrap(sealing: Sealing, plain: Buffer): Buffer {
  const { signature, message } = sealing.seal(plain);
  const head =
    `--Encrypted Boundary\r\n\tContent-Type: ${spnego}\r\n` +
    `\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=${plain.length}\r\n` +
    '--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n';
  const tail = '--Encrypted Boundary--\r\n';
  return Buffer.concat([
    Buffer.from(head),
    Buffer.from([16, 0, 0, 0]),
    signature,
    message,
    Buffer.from(tail),
  ]);
}
