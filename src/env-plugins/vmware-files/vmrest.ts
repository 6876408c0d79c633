/**
 * vmrest, the REST API of Workstation Pro and Fusion Pro (VMware, "VMware Workstation Pro API"): the machines of its
 * library, their power, and taking a new one into it. It listens on the host's own loopback, so curl asks it there;
 * the password goes to curl by its standard input.
 */
import * as z from 'zod';
import type { Host } from '../../io/host/host.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import type { PluginContext, Settings } from '../plugin.ts';

export interface VmrestMachine {
  readonly id: string;
  /** Of its .vmx, as that host writes it. */
  readonly path: string;
}

export interface Vmrest {
  machines(signal: AbortSignal): Promise<VmrestMachine[]>;
  /** Paths of those that run. */
  running(signal: AbortSignal): Promise<string[]>;
  /** Takes it into the library where it is not there yet, and powers it on. */
  start(name: string, path: string, signal: AbortSignal): Promise<PowerState>;
}

const mediaType = 'application/vnd.vmware.vmw.rest-v1+json';
const mostMachines = 10_000;
/** Questions under way at once. */
const ahead = 4;
const largestAnswer = 4 * 2 ** 20;

const machine = z.object({ id: z.string().regex(/^[\w-]{1,200}$/), path: z.string().max(4096) });
const machineList = z.array(machine).max(mostMachines);
const power = z.object({ power_state: z.string().max(100) });
const failure = z.object({ Message: z.string() });

interface Request {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  readonly body?: string;
}

type Ask = (request: Request, signal: AbortSignal) => Promise<unknown>;

/** Undefined where the settings name none. @throws AppError `usage`, `auth`, `unreachable`. */
export async function openVmrest(
  host: Host,
  settings: Settings,
  context: PluginContext,
): Promise<Vmrest | undefined> {
  const given = (settings.vmrest ?? '').trim();
  if (given === '') return undefined;
  const base = baseOf(given);
  const user = (settings.vmrestUser ?? '').trim();
  if (user === '') throw new AppError('usage', 'the user of vmrest is missing', { hint: 'see vmrest -C' });
  const ask: Ask = async (request, signal) => {
    const login = `${user}:${await context.secret('vmrestPassword')}`;
    return answerOf(host, base, request, login, signal);
  };
  context.report(`asking vmrest on ${host.name}`);
  const vmrest = vmrestBy(ask, `${host.name}, ${base}`);
  await vmrest.machines(context.signal);
  return vmrest;
}

/** The password goes unencrypted over http: only on the host itself. @throws AppError `usage`. */
function baseOf(given: string): string {
  const match = /^(https?):\/\/([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?\/?$/i.exec(given);
  if (match === null) {
    throw new AppError('usage', `"${given}" is not the address of a vmrest`, {
      hint: 'it takes http://127.0.0.1:8697, with https:// where vmrest has a certificate',
    });
  }
  const [, scheme = '', name = ''] = match;
  if (scheme.toLowerCase() === 'http' && !/^(localhost|127\.[\d.]+|\[::1\])$/i.test(name)) {
    throw new AppError('usage', `the password would go to ${name} unencrypted`, {
      hint: 'give vmrest a certificate and use https://, or reach that host by SSH (the field Host) and name 127.0.0.1',
    });
  }
  return given.replace(/\/$/, '');
}

function vmrestBy(ask: Ask, where: string): Vmrest {
  const parsed = <T>(schema: z.ZodType<T>, answer: unknown): T => {
    const found = schema.safeParse(answer);
    if (found.success) return found.data;
    throw new AppError('corrupt', 'vmrest answers something else than its reference says', { where });
  };
  const machines = async (signal: AbortSignal) =>
    parsed(machineList, await ask({ method: 'GET', path: '/api/vms' }, signal));
  const stateOf = async (id: string, signal: AbortSignal) =>
    powerState(parsed(power, await ask({ method: 'GET', path: `/api/vms/${id}/power` }, signal)).power_state);
  return {
    machines,
    async running(signal) {
      const found: string[] = [];
      const states = inOrder(
        await machines(signal),
        ahead,
        async ({ id, path }) => {
          const state = await stateOf(id, signal).catch((error) => {
            if (toAppError(error).kind !== 'not-found') throw error;
            return 'unknown'; // its .vmx is gone, and the library still names it
          });
          return { path, state };
        },
        signal,
      );
      for await (const { path, state } of states) if (state === 'running') found.push(path);
      return found;
    },
    async start(name, path, signal) {
      const known = (await machines(signal)).find((m) => m.path === path);
      const body = JSON.stringify({ name, path });
      const added =
        known ?? parsed(machine, await ask({ method: 'POST', path: '/api/vms/registration', body }, signal));
      const answer = await ask({ method: 'PUT', path: `/api/vms/${added.id}/power`, body: 'on' }, signal);
      return powerState(parsed(power, answer).power_state);
    },
  };
}

/** One that is paused still holds its disks. */
function powerState(told: string): PowerState {
  if (/^(poweredOn|paused)$/i.test(told)) return 'running';
  if (/^poweredOff$/i.test(told)) return 'off';
  return /^suspended$/i.test(told) ? 'suspended' : 'unknown';
}

/** @throws AppError `auth`, `unreachable`, `not-found`, `io`, `unsupported` (no curl there). */
async function answerOf(
  host: Host,
  base: string,
  { method, path, body }: Request,
  login: string,
  signal: AbortSignal,
): Promise<unknown> {
  const where = `${host.name}, ${base}`;
  const lines = [
    ['url', base + path],
    ['request', method],
    ['user', login],
    ['header', `Accept: ${mediaType}`],
    ...(body === undefined
      ? []
      : [
          ['header', `Content-Type: ${mediaType}`],
          ['data-raw', body],
        ]),
  ].map(([key, value]) => `${key} = ${curlString(value!)}`);
  // Not by way of a proxy, nor by what ~/.curlrc says.
  const args = [
    'curl',
    '-q',
    '--silent',
    '--show-error',
    '--max-time',
    '60',
    ...['--write-out', '\\n%{http_code}'],
    '--noproxy',
    '*',
    '--config',
    '-',
  ];
  const { code, stdout, stderr } = await host
    .run(args, { signal, input: `${lines.join('\n')}\n`, maximumBytes: largestAnswer })
    .catch((error) => {
      if (toAppError(error).kind !== 'not-found') throw error;
      throw new AppError('unsupported', 'there is no curl to ask vmrest with', { where: host.name });
    });
  if (code !== 0) {
    throw new AppError('unreachable', `vmrest does not answer: ${stderr.trim().slice(0, 300)}`, {
      where,
      hint: 'start vmrest there, or leave its address empty',
    });
  }
  const [, text = '', status = ''] = /^(.*)\n(\d{3})$/s.exec(stdout.toString()) ?? [];
  if (!/^2/.test(status)) throw refusal(Number(status), text, `${method} ${path}`, where);
  return jsonOf(text);
}

function refusal(status: number, text: string, step: string, where: string): AppError {
  const told = failure.safeParse(jsonOf(text));
  const why = told.success ? `: ${told.data.Message.replace(/[\0-\x1f\x7f-\x9f]+/g, ' ').slice(0, 300)}` : '';
  if (status === 401) {
    return new AppError('auth', 'vmrest takes neither this user nor this password', {
      where,
      hint: 'they are set there by vmrest -C',
    });
  }
  const kind = status === 404 ? 'not-found' : status === 409 ? 'conflict' : 'io';
  return new AppError(kind, `vmrest, ${step}: HTTP ${status}${why}`, { where });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // whoever wants something of it finds nothing
  }
}

/** A value of curl's configuration. @throws AppError `usage`. */
function curlString(value: string): string {
  if (/[\0\r\n]/.test(value))
    throw new AppError('usage', 'user, password and names for vmrest take no line breaks');
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}
