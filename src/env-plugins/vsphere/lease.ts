/**
 * HttpNfcLease (vSphere API reference): the server holds a machine still for its disks to come or go over HTTPS, one
 * URL for each, as long as it hears of progress. A lease that is forgotten ends by itself, and with it what was half
 * imported.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { HttpsClient } from '../../io/https/client.ts';
import { child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { faultError } from './faults.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import { isTrue, numberIn, type Ref, refIn, text, typeOf } from './soap.ts';

export interface LeaseDevice {
  /** The server's own; at an export, `/vm-7/VirtualLsiLogicController0:0`. */
  readonly key: string;
  /** At an import: `/NAME/KEY`, the key that the specification gave the device. */
  readonly importKey: string;
  readonly host: string;
  readonly port: number;
  /** With its query; it carries a ticket, so it is in no message. */
  readonly path: string;
  /** SHA-1 of the certificate of `host`; empty where the server that we know is meant. */
  readonly thumbprint: string;
  readonly disk: boolean;
  /** The file's name at an export. */
  readonly targetId: string | undefined;
  /** As the server expects it. */
  readonly fileSize: number | undefined;
}

/** Reaches a host whose certificate the server has told. */
export type ReachHost = (
  target: { readonly host: string; readonly port: number },
  thumbprint: string,
  signal: AbortSignal | undefined,
) => Promise<HttpsClient>;

export interface LeaseOptions {
  readonly step: string;
  readonly reach: ReachHost;
  readonly signal?: AbortSignal | undefined;
  /** Between two words of progress; default a quarter of what the server waits for one, 30 s at most. */
  readonly aliveMs?: number;
}

const urlLimit = 4096;

export class Lease {
  /** Aborted with the reason once the server has given it up. */
  readonly lost: AbortSignal;
  readonly devices: readonly LeaseDevice[];
  /** The machine, or the vApp. */
  readonly entity: Ref | undefined;
  readonly #session: VimSession;
  readonly #ref: Ref;
  readonly #options: LeaseOptions;
  readonly #losing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #clients = new Map<string, Promise<HttpsClient>>();
  #percent = 0;
  #over = false;

  /**
   * Waits for it to be ready; one that can't be is ended.
   * @throws AppError `unsupported`, `conflict`, `no-space`, `auth`, `io`, `cancelled`.
   */
  static async ready(session: VimSession, ref: Ref, options: LeaseOptions): Promise<Lease> {
    try {
      const info = await readyInfo(session, ref, options);
      return new Lease(session, ref, info, options);
    } catch (error) {
      await abort(session, ref, options.step);
      throw error;
    }
  }

  private constructor(session: VimSession, ref: Ref, info: XmlElement, options: LeaseOptions) {
    this.#session = session;
    this.#ref = ref;
    this.#options = options;
    this.lost = this.#losing.signal;
    this.entity = refIn(info, 'entity');
    this.devices = childrenOf(info, 'deviceUrl').map((device) => deviceOf(session, device));
    const seconds = numberIn(info, 'leaseTimeout') ?? 300;
    const every = options.aliveMs ?? Math.max(1000, Math.min(30_000, (seconds * 1000) / 4));
    this.#timer = setInterval(() => void this.#tell(), every);
    this.#timer.unref();
  }

  /** Of the whole; told to the server at the next occasion. */
  progress(percent: number): void {
    this.#percent = Math.max(this.#percent, Math.min(99, Math.floor(percent)));
  }

  /** The way to a device's host: the server's own, or one that is reached beside it, once. @throws AppError. */
  async client({ host, port, thumbprint }: LeaseDevice): Promise<HttpsClient> {
    const known = this.#session.client;
    const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (at.toLowerCase() === known.name) return known;
    const { reach, signal } = this.#options;
    let found = this.#clients.get(at);
    if (found === undefined) {
      found = reach({ host, port }, thumbprint, signal).catch((error) => {
        throw unreachable(toAppError(error), at);
      });
      this.#clients.set(at, found);
    }
    return found;
  }

  /** A session's cookie is for its own server alone; elsewhere the ticket in the URL does. */
  headers(client: HttpsClient): Record<string, string> {
    return client === this.#session.client ? { cookie: this.#session.cookie } : {};
  }

  /** All disks are through. @throws AppError. */
  async complete(): Promise<void> {
    this.lost.throwIfAborted();
    const { step } = this.#options;
    await this.#session.call('HttpNfcLeaseComplete', this.#ref, [], { step });
    this.#end();
  }

  /** Ends it, and at the server what was half imported. Never throws; safe to be called twice. */
  async abort(): Promise<void> {
    if (this.#over) return;
    this.#end();
    await abort(this.#session, this.#ref, this.#options.step);
  }

  #end(): void {
    this.#over = true;
    clearInterval(this.#timer);
    for (const opening of this.#clients.values())
      opening.then(
        (client) => client.close(),
        () => undefined,
      );
    this.#clients.clear();
  }

  async #tell(): Promise<void> {
    const { step } = this.#options;
    try {
      await this.#session.call('HttpNfcLeaseProgress', this.#ref, [text('percent', this.#percent)], { step });
    } catch (error) {
      const known = toAppError(error);
      // A link that is cut for a while: the next word may come in time.
      if (this.#over || known.kind === 'unreachable') return;
      clearInterval(this.#timer);
      this.#losing.abort(
        new AppError('io', `${step}: the server has given the transfer up (${known.message})`, {
          where: this.#session.client.name,
          hint: 'it was silent for too long, or somebody cancelled its task there: run it again',
          cause: error,
        }),
      );
    }
  }
}

/** It may be gone already. */
async function abort(session: VimSession, ref: Ref, step: string): Promise<void> {
  await session.call('HttpNfcLeaseAbort', ref, [], { step }).catch(() => undefined);
}

async function readyInfo(session: VimSession, ref: Ref, { step, signal }: LeaseOptions): Promise<XmlElement> {
  const where = session.client.name;
  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    const { values } = await ofObject(session, ref, ['state', 'error', 'info'], step, signal);
    const state = values.get('state')?.text.trim();
    const info = values.get('info');
    if (state === 'ready' && info !== undefined) return info;
    if (state === 'error') throw leaseError(values.get('error'), step, where);
    if (state !== 'initializing') {
      throw new AppError('io', `${step}: the transfer is ${state ?? 'in no state'} before it began`, {
        where,
      });
    }
    await wait(pause, undefined, signal === undefined ? {} : { signal }).catch((cause) => {
      throw new AppError('cancelled', 'cancelled', { cause });
    });
  }
}

function leaseError(error: XmlElement | undefined, step: string, where: string): AppError {
  const detail = error === undefined ? undefined : child(error, 'fault');
  const message = (error && textOf(error, 'localizedMessage')) ?? '';
  return faultError({ type: detail === undefined ? '' : typeOf(detail), message, detail }, step, where);
}

function deviceOf(session: VimSession, device: XmlElement): LeaseDevice {
  const url = urlOf(session, textOf(device, 'url') ?? '');
  return {
    key: textOf(device, 'key') ?? '',
    importKey: textOf(device, 'importKey') ?? '',
    ...url,
    thumbprint: textOf(device, 'sslThumbprint') ?? '',
    disk: isTrue(child(device, 'disk')),
    targetId: textOf(device, 'targetId'),
    fileSize: numberIn(device, 'fileSize'),
  };
}

/** `https://*` + `/nfc/…/disk-0.vmdk`: a host of its own names itself by a star. @throws AppError `corrupt`. */
function urlOf(session: VimSession, url: string): Pick<LeaseDevice, 'host' | 'port' | 'path'> {
  const { name } = session.client;
  const own = new URL(`https://${name}`);
  // A star is no host to a parser of URLs.
  const text = url.replace(/^(https:\/\/)\*(?=[:/])/i, (_, scheme: string) => `${scheme}${own.hostname}`);
  const parsed = url.length <= urlLimit && URL.canParse(text) ? new URL(text) : undefined;
  if (parsed?.protocol !== 'https:' || parsed.username !== '') {
    throw new AppError('corrupt', 'the server names a place for a disk that is no HTTPS URL', {
      where: name,
    });
  }
  const starred = /^https:\/\/\*/i.test(url);
  const port = Number(parsed.port || (starred ? own.port || 443 : 443));
  return { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port, path: parsed.pathname + parsed.search };
}

const unreachable = (error: AppError, host: string): AppError =>
  new AppError(error.kind, `the disks go straight to and from the ESXi host: ${error.message}`, {
    where: host,
    hint: 'that host has to be reachable from here on this port, by the name that vCenter knows it by',
    cause: error,
  });
