/**
 * A session of the API: logged in, kept alive, and opened again when it ended in the middle. The only file that
 * talks SOAP to the server.
 */
import { untilAborted } from '../../io/host/abort-watch.ts';
import type { HttpsClient } from '../../io/https/client.ts';
import { AskingCalls } from '../../io/retrying.ts';
import { child, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { faultError, SessionEnded } from './faults.ts';
import { envelope, parseAnswer, type Ref, refIn, text, type Xml } from './soap.ts';
import { chooseVersion, compareVersions, oldestKnown } from './versions.ts';

/** Secrets are asked for at each login, and not kept. */
export type Login =
  | { readonly user: string; password(): Promise<string> }
  /** What AcquireCloneTicket gave, or the cookie of a session that somebody else keeps. */
  | { ticket(): Promise<string> };

export interface CallOptions {
  /** What is done, for messages. */
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
  /** Objects in the call belong to the session: when it ends the caller begins anew. */
  readonly once?: boolean;
}

export interface About {
  readonly fullName: string;
  readonly apiVersion: string;
  readonly isVCenter: boolean;
}

const serviceInstance: Ref = { type: 'ServiceInstance', id: 'ServiceInstance' };
const sessionCookie = 'vmware_soap_session';
/** What may be said twice: the server changes nothing. A task whose answer was lost may have been begun. */
const onlyAsks = /^(Retrieve|Query|CurrentTime$|HttpNfcLeaseProgress$|AcquireGenericServiceTicket$)/;
/** A session ends after 30 minutes without a call. */
const keepAliveMs = 5 * 60_000;

export class VimSession {
  readonly about: About;
  /** As negotiated. */
  readonly version: string;
  readonly #client: HttpsClient;
  readonly #content: XmlElement;
  readonly #login: Login;
  readonly #asking: AskingCalls;
  #cookie: string | undefined;
  #renewing: Promise<void> | undefined;
  #alive: NodeJS.Timeout | undefined;
  /** It was opened here, and is ended here. */
  #own = true;

  /** @throws AppError `auth`, `unreachable`, `unsupported` (no vSphere API there). */
  static async open(client: HttpsClient, login: Login, signal: AbortSignal): Promise<VimSession> {
    const version = await negotiate(client, signal);
    const { values, cookie } = await exchange(
      client,
      version,
      undefined,
      'RetrieveServiceContent',
      serviceInstance,
      [],
      {
        step: 'asking for the service',
        signal,
      },
    );
    const [content] = values;
    if (content === undefined)
      throw new AppError('corrupt', 'the server tells no service', { where: client.name });
    const session = new VimSession(client, login, version, content, cookie);
    await session.#logIn(signal);
    session.#alive = setInterval(() => {
      const step = 'keeping the session alive';
      // Whoever needs it next finds out, and opens it again.
      session.call('CurrentTime', serviceInstance, [], { step, once: true }).catch(() => undefined);
    }, keepAliveMs);
    session.#alive.unref();
    return session;
  }

  private constructor(
    client: HttpsClient,
    login: Login,
    version: string,
    content: XmlElement,
    cookie: string | undefined,
  ) {
    this.#client = client;
    this.#login = login;
    this.#asking = new AskingCalls(client);
    this.version = version;
    this.#content = content;
    this.#cookie = cookie;
    const about = child(content, 'about');
    this.about = {
      fullName: (about && textOf(about, 'fullName')) ?? 'an unnamed server',
      apiVersion: (about && textOf(about, 'apiVersion')) ?? version,
      isVCenter: about !== undefined && textOf(about, 'apiType') === 'VirtualCenter',
    };
  }

  get client(): HttpsClient {
    return this.#client;
  }

  /** One of the service's own objects: `propertyCollector`, `viewManager` … @throws AppError `unsupported`. */
  service(name: string): Ref {
    const found = refIn(this.#content, name);
    if (found !== undefined) return found;
    throw new AppError('unsupported', `${this.about.fullName} has no ${name}`, { where: this.#client.name });
  }

  atLeast(version: string): boolean {
    return compareVersions(this.version, version) >= 0;
  }

  /** The values returned. A session that has ended is opened again, once. @throws AppError. */
  async call(
    method: string,
    self: Ref,
    parameters: readonly Xml[],
    options: CallOptions,
  ): Promise<XmlElement[]> {
    const cookie = this.#cookie;
    try {
      return await this.#plainCall(method, self, parameters, options);
    } catch (error) {
      if (!(error instanceof SessionEnded) || options.once) throw error;
      await this.renew(cookie, options.signal);
      return this.#plainCall(method, self, parameters, options);
    }
  }

  /** Work whose objects belong to the session (views): begun anew, once, when it ended meanwhile. */
  async unit<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const cookie = this.#cookie;
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SessionEnded)) throw error;
      await this.renew(cookie, signal);
      return work();
    }
  }

  /** For what is fetched beside the API. */
  get cookie(): string {
    return this.#cookie ?? '';
  }

  /** Logs in again, unless somebody has done so since `ended` was the cookie. */
  async renew(ended: string | undefined, signal?: AbortSignal): Promise<void> {
    if (this.#cookie !== ended) return;
    // Many may wait for it: no one's cancel ends it.
    this.#renewing ??= this.#logIn(undefined).finally(() => {
      this.#renewing = undefined;
    });
    await untilAborted(this.#renewing, signal);
  }

  /** Opens it again where it has ended. @throws AppError. */
  async check(signal?: AbortSignal): Promise<void> {
    await this.call('CurrentTime', serviceInstance, [], { step: 'looking at the session', signal });
  }

  async close(): Promise<void> {
    clearInterval(this.#alive);
    const signal = AbortSignal.timeout(3000);
    const step = 'logging out';
    // A session that stays there ends by itself.
    if (this.#own)
      await this.#plainCall('Logout', this.service('sessionManager'), [], { step, signal }).catch(
        () => undefined,
      );
    this.#client.close();
  }

  async #logIn(signal: AbortSignal | undefined): Promise<void> {
    this.#cookie = undefined;
    if ('ticket' in this.#login) return this.#enter((await this.#login.ticket()).trim(), signal);
    const parameters = [text('userName', this.#login.user), text('password', await this.#login.password())];
    await this.#plainCall('Login', this.service('sessionManager'), parameters, { step: 'login', signal });
    if (this.#cookie === undefined) {
      throw new AppError('auth', 'login: the server gave no session', { where: this.#client.name });
    }
  }

  /** A cookie is of a session that lives; a ticket opens one, once. */
  async #enter(ticket: string, signal: AbortSignal | undefined): Promise<void> {
    const step = 'login by ticket';
    this.#own = !ticket.startsWith(`${sessionCookie}=`);
    try {
      if (this.#own) {
        const parameters = [text('cloneTicket', ticket)];
        await this.#plainCall('CloneSession', this.service('sessionManager'), parameters, { step, signal });
      } else {
        this.#cookie = cookieOf([ticket]);
        await this.#plainCall('CurrentTime', serviceInstance, [], { step, signal });
      }
    } catch (error) {
      this.#cookie = undefined;
      if (!(error instanceof AppError) || error.kind !== 'auth') throw error;
      throw new AppError('auth', `${step}: it is used up, has expired, or is of another server`, {
        where: this.#client.name,
        hint: `a clone ticket is good for one login within seconds; or give the cookie of a session that lives, ${sessionCookie}=…`,
        cause: error,
      });
    }
  }

  async #plainCall(method: string, self: Ref, parameters: readonly Xml[], options: CallOptions) {
    const call = () => exchange(this.#client, this.version, this.#cookie, method, self, parameters, options);
    const asks = onlyAsks.test(method) && options.once !== true;
    const { values, cookie } = await (asks ? this.#asking.make(options.signal, call) : call());
    if (cookie !== undefined) this.#cookie = cookie;
    return values;
  }
}

async function negotiate(client: HttpsClient, signal: AbortSignal): Promise<string> {
  const step = 'asking for the versions of the API';
  const answer = await client.send({
    path: '/sdk/vimServiceVersions.xml',
    step,
    signal,
    maximumBytes: 1024 * 1024,
  });
  if (answer.status === 404) return oldestKnown; // VirtualCenter 2.5 and VMware Server 2
  const version = answer.status === 200 ? chooseVersion(answer.body, `${client.name}, ${step}`) : undefined;
  if (version !== undefined) return version;
  throw new AppError('unsupported', `${step}: this is no ESXi and no vCenter (HTTP ${answer.status})`, {
    where: client.name,
    hint: 'check the host and the port',
  });
}

async function exchange(
  client: HttpsClient,
  version: string,
  cookie: string | undefined,
  method: string,
  self: Ref,
  parameters: readonly Xml[],
  { step, signal }: CallOptions,
): Promise<{ values: XmlElement[]; cookie: string | undefined }> {
  const answer = await client.send({
    method: 'POST',
    path: '/sdk',
    headers: {
      'content-type': 'text/xml; charset=utf-8',
      soapaction: `"urn:vim25/${version}"`,
      ...(cookie === undefined ? {} : { cookie }),
    },
    body: envelope(method, self, parameters),
    step,
    signal,
  });
  if (answer.status !== 200 && answer.status !== 500) {
    const kind = answer.status === 503 || answer.status === 502 ? 'unreachable' : 'io';
    throw new AppError(kind, `${step}: the server answers HTTP ${answer.status}`, { where: client.name });
  }
  const parsed = parseAnswer(answer.body, `${client.name}, ${step}`);
  if ('fault' in parsed) throw faultError(parsed.fault, step, client.name);
  return { values: parsed.values, cookie: cookieOf(answer.headers['set-cookie']) };
}

/** `vmware_soap_session="52…"; Path=/; HttpOnly; Secure;` */
function cookieOf(lines: readonly string[] | undefined): string | undefined {
  const line = lines?.find((l) => l.startsWith(`${sessionCookie}=`));
  const pair = line?.split(';', 1).join('').trim();
  return pair !== undefined && /^[\x21-\x7e]{1,4096}$/.test(pair) ? pair : undefined;
}
