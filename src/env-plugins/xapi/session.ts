/** A session of a pool: logged in at its master, and opened again when it ended in the middle. */
import { untilAborted } from '../../io/host/abort-watch.ts';
import type { HttpsClient } from '../../io/https/client.ts';
import { AskingCalls } from '../../io/retrying.ts';
import { AppError } from '../../model/errors.ts';
import { isRecord, type XenRecord, type XenValue } from '../../packages/xva/records.ts';
import { XapiFailure } from './failures.ts';
import { type CallOptions, exchange } from './json-rpc.ts';

export interface Login {
  readonly user: string;
  /** Asked for at each login, and not kept. */
  password(): Promise<string>;
}

/** To another host of the pool. */
export type Reach = (address: string, signal?: AbortSignal) => Promise<HttpsClient>;

/** What may be said twice: the server changes nothing. */
const onlyAsks = /^\w+\.get_/;
/** A master may have become another one on the way. */
const mostHops = 3;

export class XapiSession {
  #client: HttpsClient;
  readonly #login: Login;
  readonly #asking: AskingCalls;
  readonly #reach: Reach;
  readonly #others = new Map<string, Promise<HttpsClient>>();
  #id = '';
  #renewing: Promise<void> | undefined;

  /** `client` belongs to the session from then on. @throws AppError `auth`, `unreachable`, `unsupported`. */
  static async open(
    client: HttpsClient,
    login: Login,
    reach: Reach,
    signal: AbortSignal,
  ): Promise<XapiSession> {
    const session = new XapiSession(client, login, reach);
    try {
      await session.#logIn(signal);
    } catch (error) {
      session.#closeClients();
      throw error;
    }
    return session;
  }

  private constructor(client: HttpsClient, login: Login, reach: Reach) {
    this.#client = client;
    this.#login = login;
    this.#asking = new AskingCalls(client);
    this.#reach = reach;
  }

  get name(): string {
    return this.#client.name;
  }

  /** For what is fetched beside the API. A secret: never in a message. */
  get id(): string {
    return this.#id;
  }

  /** The pool's master. */
  get client(): HttpsClient {
    return this.#client;
  }

  /** A call of the session: its id goes before the parameters. @throws AppError, XapiFailure. */
  async call(method: string, parameters: readonly XenValue[], options: CallOptions): Promise<XenValue> {
    const id = this.#id;
    try {
      const call = () => exchange(this.#client, method, [id, ...parameters], options);
      return await (onlyAsks.test(method) ? this.#asking.make(options.signal, call) : call());
    } catch (error) {
      if (!(error instanceof XapiFailure)) throw error;
      // A master that became a member: the pool has another one now.
      if (error.code !== 'SESSION_INVALID' && error.code !== 'HOST_IS_SLAVE') throw error;
      await this.#renew(id, options.signal);
      return exchange(this.#client, method, [this.#id, ...parameters], options);
    }
  }

  async text(method: string, parameters: readonly XenValue[], options: CallOptions): Promise<string> {
    const value = await this.call(method, parameters, options);
    if (typeof value === 'string') return value;
    throw new AppError('corrupt', `${options.step}: the answer is no text`, { where: this.name });
  }

  async record(method: string, parameters: readonly XenValue[], options: CallOptions): Promise<XenRecord> {
    const value = await this.call(method, parameters, options);
    if (isRecord(value)) return value;
    throw new AppError('corrupt', `${options.step}: the answer is no record`, { where: this.name });
  }

  /** Opened once, and closed with the session. */
  otherHost(address: string, signal?: AbortSignal): Promise<HttpsClient> {
    const found = this.#others.get(address) ?? this.#reach(address, signal);
    this.#others.set(address, found);
    found.catch(() => this.#others.delete(address));
    return found;
  }

  /** Opens it again where it has ended. @throws AppError. */
  async check(signal?: AbortSignal): Promise<void> {
    await this.call('pool.get_all', [], { step: 'looking at the session', signal });
  }

  /** Safe to be called twice; never throws. */
  async close(): Promise<void> {
    const id = this.#id;
    this.#id = '';
    // A session that stays there ends by itself.
    if (id !== '') {
      const signal = AbortSignal.timeout(3000);
      await exchange(this.#client, 'session.logout', [id], { step: 'logging out', signal }).catch(
        () => undefined,
      );
    }
    this.#closeClients();
  }

  #closeClients(): void {
    this.#client.close();
    for (const other of this.#others.values())
      other.then(
        (client) => client.close(),
        () => undefined,
      );
    this.#others.clear();
  }

  /** Logs in again, unless somebody has done so since `ended` was the id. Many may wait for it. */
  async #renew(ended: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#id !== ended) return;
    this.#renewing ??= this.#logIn(undefined).finally(() => {
      this.#renewing = undefined;
    });
    await untilAborted(this.#renewing, signal);
  }

  async #logIn(signal: AbortSignal | undefined): Promise<void> {
    const step = 'login';
    // Once, also where the way leads on to the pool's master.
    const password = await this.#login.password();
    for (let hops = 0; ; hops++) {
      try {
        const parameters = [this.#login.user, password, '2.0', 'vmferry'];
        const id = await exchange(this.#client, 'session.login_with_password', parameters, { step, signal });
        if (typeof id !== 'string' || id === '' || id.length > 500)
          throw new AppError('corrupt', `${step}: the server gave no session`, { where: this.name });
        this.#id = id;
        return;
      } catch (error) {
        const isMember = error instanceof XapiFailure && error.code === 'HOST_IS_SLAVE';
        if (!isMember) throw error;
        const [master = ''] = error.details;
        if (hops === mostHops || !/^[\w.:-]{1,253}$/.test(master)) throw error;
        const client = await this.#reach(master, signal);
        this.#client.close();
        this.#client = client;
      }
    }
  }
}
