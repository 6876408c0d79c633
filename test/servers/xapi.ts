/**
 * A fake of a pool of XenServer or XCP-ng, written from the vendor's reference of the XenAPI (classes, fields, errors),
 * its pages on importing and exporting disks, and what its sources tell of the two handlers: the answer to an import
 * comes before its body, HTTP's own chunks are refused, a transfer ends with the connection. One host, one storage
 * repository, one network; real bytes in each disk. JSON-RPC 2.0 over TLS, sessions that end, tasks.
 *
 * What it is not: a product. It knows the calls that it was asked for in tests, its machines write nothing, and its
 * storage does not keep differences. The npm package xen-api reads and writes it as a second client.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { selfSigned } from '../io/https/self-signed.ts';
import { type HttpsServer, startHttps } from '../io/https/server.ts';
import { Database, Failure, type Fields, none, type Value } from './xapi-database.ts';
import { Events } from './xapi-events.ts';
import { dynamicVhd } from './xapi-vhd.ts';
import { exportMachine, Import } from './xapi-xva.ts';

export interface FakeXapi extends HttpsServer {
  readonly user: string;
  readonly password: string;
  readonly database: Database;
  readonly events: Events;
  /** References of what is there from the start. */
  readonly sr: string;
  readonly network: string;
  /** Methods and paths in the order in which they were asked for. */
  readonly calls: string[];
  /** Answers instead of the fake, for hostile ones: the raw result of a method. */
  readonly answers: Map<string, () => Value>;
  /** Ends all sessions. */
  forget(): void;
  /**
   * Of the next transfers: the connection is cut after so many bytes; from so many on no more is
   * taken; exports are those of an old version.
   */
  readonly faults: { cutAfter?: number; stallAfter?: number; old?: boolean };
}

export interface XapiOptions {
  /** It is a member of a pool, and names this master. */
  readonly masterAddress?: string;
  readonly port?: number;
}

export async function startXapi({ masterAddress, port = 0 }: XapiOptions = {}): Promise<FakeXapi> {
  const [user, password] = ['root', 'pa"ss\\wörd<&%41'];
  const database = new Database();
  const sessions = new Set<string>();
  const calls: string[] = [];
  const answers = new Map<string, () => Value>();
  const events = new Events(database);
  const { sr, network } = furnish(database);
  const faults: FakeXapi['faults'] = {};

  const call = async (method: string, [session, ...args]: Value[]): Promise<Value> => {
    calls.push(method);
    if (method === 'session.login_with_password') {
      if (session !== user || args[0] !== password) throw new Failure('SESSION_AUTHENTICATION_FAILED', user);
      if (masterAddress !== undefined) throw new Failure('HOST_IS_SLAVE', masterAddress);
      const id = `OpaqueRef:session-${sessions.size + 1}-${Math.random()}`;
      sessions.add(id);
      return id;
    }
    // The one call without a session; what a client needs of it are the classes.
    if (method === 'system.listMethods')
      return [...database.classes.keys()].map((kind) => `${kind}.get_all_records`);
    if (!sessions.has(session)) throw new Failure('SESSION_INVALID', session);
    if (method === 'session.logout') return void sessions.delete(session);
    const answer = answers.get(method);
    if (answer !== undefined) return answer();
    if (method === 'event.inject') return events.inject();
    if (method === 'event.from') return events.from(args[0], args[1], args[2]);
    if (method.startsWith('Async.')) return runTask(database, () => act(database, method.slice(6), args));
    return act(database, method, args);
  };

  const server = await startHttps(
    (request, response) => {
      const url = new URL(request.url ?? '/', 'https://fake');
      if (url.pathname === '/jsonrpc') return void answerJson(request, response, call);
      calls.push(url.pathname);
      const transfer = { database, url, ...faults };
      if (!sessions.has(url.searchParams.get('session_id') ?? '')) return void response.writeHead(401).end();
      const path = url.pathname.replace(/\/$/, '');
      if (path === '/export_raw_vdi') return void exportDisk(response, transfer);
      if (path === '/export') return void exportWhole(response, transfer);
      if (path === '/import') return void importWhole(request, response, transfer);
      if (path === '/import_raw_vdi') return void importDisk(request, response, transfer);
      response.writeHead(404).end();
    },
    port,
    selfSigned('a xapi'),
  );
  return {
    ...server,
    ...{ user, password, database, events, sr, network, calls, answers, faults },
    forget: () => sessions.clear(),
  };
}

function furnish(database: Database): { sr: string; network: string } {
  const host = database.make('host', { name_label: 'xs1', address: '127.0.0.1', other_config: {} });
  const sr = database.make('SR', {
    name_label: 'Local storage',
    type: 'ext',
    content_type: 'user',
    shared: false,
    physical_size: '1000000000000',
    physical_utilisation: '1000000',
    PBDs: [] as string[],
  });
  database.get('SR', sr).PBDs.push(database.make('PBD', { host, SR: sr, currently_attached: true }));
  const cds = { name_label: 'DVD drives', type: 'udev', content_type: 'iso', shared: false, PBDs: ['x'] };
  database.make('SR', cds);
  const network = database.make('network', {
    name_label: 'Pool-wide network associated with eth0',
    other_config: {},
  });
  database.make('network', {
    name_label: 'Host internal management network',
    other_config: { is_host_internal_management_network: 'true' },
  });
  database.make('pool', { master: host, default_SR: sr, other_config: {} });
  const plain = {
    memory_static_max: '0',
    VCPUs_max: '1',
    actions_after_crash: '',
    PV_args: '',
    platform: {},
  };
  const own = database.createVm({ ...plain, name_label: 'Control domain on host: xs1' });
  database.get('VM', own).is_control_domain = true;
  database.createVm({ ...plain, name_label: 'Debian 12', is_a_template: true });
  return { sr, network };
}

async function act(database: Database, method: string, args: Value[]): Promise<Value> {
  const [kind = '', verb = ''] = method.split('.');
  if (verb === 'get_all_records') return Object.fromEntries(database.of(kind));
  if (verb === 'get_all') return [...database.of(kind).keys()];
  if (verb === 'get_record') return database.get(kind, args[0]);
  if (verb === 'get_by_uuid') {
    const found = [...database.of(kind)].find(([, record]) => record.uuid === args[0]);
    if (found === undefined) throw new Failure('UUID_INVALID', kind, args[0]);
    return found[0];
  }
  switch (method) {
    case 'task.create':
      return database.make('task', {
        name_label: args[0],
        status: 'pending',
        result: '',
        error_info: [],
        progress: 0,
      });
    case 'task.cancel': {
      const task = database.get('task', args[0]);
      if (task.status === 'pending') task.status = 'cancelled';
      return '';
    }
    case 'task.destroy':
      return void database.of('task').delete(args[0]);
    case 'VDI.create':
      return database.createVdi(args[0]);
    case 'VDI.destroy':
      return void database.destroyVdi(args[0]);
    case 'VDI.get_nbd_info':
      return [];
    case 'VDI.enable_cbt':
    case 'VDI.disable_cbt':
      database.get('VDI', args[0]).cbt_enabled = verb === 'enable_cbt';
      return '';
    case 'VDI.data_destroy':
      return void database.destroyData(args[0]);
    case 'VDI.list_changed_blocks':
      return database.changedBlocks(args[0], args[1]);
    case 'VM.clean_shutdown':
      if (database.get('VM', args[0]).has_tools === false)
        throw new Failure('VM_LACKS_FEATURE_SHUTDOWN', args[0]);
      database.get('VM', args[0]).power_state = 'Halted';
      return '';
    case 'VM.create':
      return database.createVm(args[0]);
    case 'VM.destroy':
      return void database.destroyVm(args[0]);
    case 'VM.snapshot':
      return database.snapshot(args[0], args[1]);
    case 'VM.start':
      database.get('VM', args[0]).power_state = 'Running';
      return '';
    case 'VBD.create':
      return database.attach('VBD', args[0]);
    case 'VIF.create':
      return database.attach('VIF', args[0]);
    default:
      return database.field(kind, verb, args[0], args[1]);
  }
}

function runTask(database: Database, work: () => Promise<Value>): string {
  const ref = database.make('task', { status: 'pending', result: '', error_info: [], progress: 0 });
  const task = database.get('task', ref);
  turn().then(async () => {
    try {
      task.result = `<value>${await work()}</value>`;
      task.status = 'success';
    } catch (error) {
      failTask(task, error);
    }
  });
  return ref;
}

function failTask(task: Fields, error: unknown): void {
  task.status = 'failure';
  task.error_info =
    error instanceof Failure ? [error.code, ...error.details] : ['INTERNAL_ERROR', String(error)];
}

async function answerJson(
  request: IncomingMessage,
  response: ServerResponse,
  call: (method: string, params: Value[]) => Promise<Value>,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString());
  let body: Value;
  try {
    body = { jsonrpc: '2.0', id, result: (await call(method, params)) ?? '' };
  } catch (error) {
    const { code, details } = error instanceof Failure ? error : new Failure('INTERNAL_ERROR', String(error));
    body = { jsonrpc: '2.0', id, error: { code: 1, message: code, data: details } };
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

interface TransferRequest {
  readonly database: Database;
  readonly url: URL;
  readonly cutAfter?: number;
  readonly stallAfter?: number;
  readonly old?: boolean;
}

const taskOf = ({ database, url }: TransferRequest): Fields =>
  database.of('task').get(url.searchParams.get('task_id') ?? none) ?? {};

async function exportDisk(response: ServerResponse, transfer: TransferRequest): Promise<void> {
  const { database, url } = transfer;
  const content = database.bytes.get(url.searchParams.get('vdi') ?? '');
  const format = url.searchParams.get('format') ?? 'raw';
  if (content === undefined || !['raw', 'vhd'].includes(format)) return void response.writeHead(404).end();
  const from = url.searchParams.get('base');
  const base = from === null ? undefined : database.bytes.get(from);
  if (from !== null && (base === undefined || database.get('VDI', from).type === 'cbt_metadata')) {
    failTask(taskOf(transfer), new Failure('HANDLE_INVALID', 'VDI', from));
    return void response.writeHead(500, { connection: 'close' }).end();
  }
  await send(response, format === 'raw' ? content : dynamicVhd(content, base), transfer);
}

async function exportWhole(response: ServerResponse, transfer: TransferRequest): Promise<void> {
  const { database, url, old = false } = transfer;
  try {
    const bytes = await exportMachine(database, url.searchParams.get('ref') ?? none, { old });
    const isPacked = url.searchParams.get('use_compression') === 'true';
    await send(response, isPacked ? gzipSync(bytes, { level: 1 }) : bytes, transfer);
  } catch (error) {
    failTask(taskOf(transfer), error);
    response.writeHead(500, { connection: 'close' }).end();
  }
}

async function send(response: ServerResponse, bytes: Buffer, transfer: TransferRequest): Promise<void> {
  const { cutAfter, stallAfter = Infinity } = transfer;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: 'close', 'content-type': 'application/octet-stream' });
  const task = taskOf(transfer);
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  for (let at = 0; at < bytes.length && !response.destroyed; at += 100_000) {
    if (cutAfter !== undefined && at >= cutAfter) {
      failTask(task, new Failure('VDI_IO_ERROR', 'Device I/O errors'));
      return void response.destroy();
    }
    if (at >= stallAfter) await once(response, 'close');
    const more = response.write(bytes.subarray(at, at + 100_000));
    if (!more) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  task.status = 'success';
  response.end();
}

/** The product says yes before the body, and hangs up when it has the last block. */
async function importWhole(request: IncomingMessage, response: ServerResponse, transfer: TransferRequest) {
  const { database, url, cutAfter = Infinity } = transfer;
  const task = taskOf(transfer);
  if (request.headers['transfer-encoding'] !== undefined) {
    failTask(task, new Failure('IMPORT_ERROR_CANNOT_HANDLE_CHUNKED'));
    return void response.writeHead(403, { connection: 'close' }).end();
  }
  let taking: Import | undefined;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: 'close' }).flushHeaders();
  let received = 0;
  try {
    taking = new Import(database, url.searchParams.get('sr_id') ?? none);
    for await (const part of request as AsyncIterable<Buffer>) {
      received += part.length;
      if (received > cutAfter) throw new Failure('SR_BACKEND_FAILURE_44', '', 'no space left');
      if (task.status === 'cancelled') throw new Failure('TASK_CANCELLED');
      if (!(await taking.take(part))) continue;
      task.result = `<value><array><data><value>${taking.vm}</value></data></array></value>`;
      task.status = 'success';
      return void response.end();
    }
    throw new Failure('IMPORT_ERROR_PREMATURE_EOF');
  } catch (error) {
    taking?.undo();
    failTask(task, error);
    response.destroy();
  }
}

async function importDisk(request: IncomingMessage, response: ServerResponse, transfer: TransferRequest) {
  const { database, url, cutAfter = Infinity, stallAfter = Infinity } = transfer;
  const task = taskOf(transfer);
  const target = database.bytes.get(url.searchParams.get('vdi') ?? '');
  if (target === undefined || request.headers['transfer-encoding'] !== undefined) {
    failTask(task, new Failure('INTERNAL_ERROR', 'Cannot handle encoding'));
    return void response.writeHead(404, { connection: 'close' }).end();
  }
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { connection: 'close' }).flushHeaders();
  const isChunked = url.searchParams.has('chunked');
  let have = Buffer.alloc(0);
  let received = 0;
  let at = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      received += part.length;
      if (received > cutAfter) throw new Failure('SR_BACKEND_FAILURE_44', '', 'no space left');
      if (received > stallAfter) await once(response, 'close');
      if (!isChunked) {
        if (at + part.length > target.length) throw new Failure('VDI_IO_ERROR', 'too long');
        at += part.copy(target, at);
        continue;
      }
      have = Buffer.concat([have, part]);
      while (have.length >= 12) {
        const offset = Number(have.readBigUInt64LE());
        const length = have.readUInt32LE(8);
        if (offset === 0 && length === 0) return end();
        if (offset + length > target.length) throw new Failure('VDI_IO_ERROR', 'past the end');
        if (have.length < 12 + length) break;
        have.copy(target, offset, 12, 12 + length);
        have = have.subarray(12 + length);
      }
    }
    if (isChunked) throw new Failure('VDI_IO_ERROR', 'cut short');
    end();
  } catch (error) {
    failTask(task, error);
    response.destroy();
  }
  function end() {
    task.status = 'success';
    response.end();
  }
}
