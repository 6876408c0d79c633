/** The plugin's side: one plugin, one session, over two streams. Ends when the host closes its side. */
import type { Readable, Writable } from 'node:stream';
import type {
  Delivery,
  EnvironmentPlugin,
  Hold,
  OpenDisk,
  Session,
  Settings,
} from '../env-plugins/plugin.ts';
import { checkedMachine, checkedSize } from '../env-plugins/shapes.ts';
import type { ByteSink } from '../io/byte-source.ts';
import { AppError } from '../model/errors.ts';
import { Channel, type Incoming } from './channel.ts';
import { protocolName, protocolVersion } from './frames.ts';
import { deliveryMethods } from './serve-destination.ts';
import { sourceMethods } from './serve-source.ts';

/** What is open for the host, by the number that it was told. */
export class Handles {
  readonly #open = new Map<number, unknown>();
  #next = 1;

  add(thing: unknown): number {
    const handle = this.#next++;
    this.#open.set(handle, thing);
    return handle;
  }

  /** @throws AppError `usage`. */
  get<T>(handle: unknown): T {
    const thing = this.#open.get(handle as number);
    if (thing === undefined) throw new AppError('usage', `there is no handle ${String(handle)}`);
    return thing as T;
  }

  remove(handle: unknown): void {
    this.#open.delete(handle as number);
  }

  all(): unknown[] {
    return [...this.#open.values()];
  }
}

export interface ServedDisk {
  readonly kind: 'disk';
  readonly disk: OpenDisk;
}
export interface ServedHold {
  readonly kind: 'hold';
  readonly hold: Hold;
}
export interface ServedSink {
  readonly kind: 'sink';
  readonly sink: ByteSink;
}
export interface ServedDelivery {
  readonly kind: 'delivery';
  readonly delivery: Delivery;
  /** What `request.signal` is here. */
  readonly controller: AbortController;
}
type Served = ServedDisk | ServedHold | ServedSink | ServedDelivery;

export type Params = Readonly<Record<string, unknown>>;
export type Method = (params: Params, call: Incoming) => Promise<unknown>;

/** Params of calls that come from the host, checked. */
export const machineOf = (params: Params) => checkedMachine(params.machine, 'the host');
export const sizeOf = (params: Params, key: string) => checkedSize(params[key], key, 'the host');

/** Resolves when the host is gone and everything that it had open is closed, what was not committed taken back. */
export async function serve(plugin: EnvironmentPlugin, input: Readable, output: Writable): Promise<void> {
  const handles = new Handles();
  const ended = new AbortController();
  let session: Session | undefined;
  const methods: Record<string, Method> = {
    async connect({ settings }, call) {
      if (session !== undefined) throw new AppError('conflict', 'this process is connected already');
      session = await plugin.connect(settingsOf(settings), {
        signal: AbortSignal.any([call.signal, ended.signal]),
        secret: async (key) => String(await channel.call('secret', { key })),
        report: (step) => void channel.call('report', { step }).catch(() => undefined),
        confirm: async (question) => (await channel.call('confirm', { question })) === true,
      });
      Object.assign(methods, sourceMethods(session.source, handles));
      Object.assign(methods, deliveryMethods(session.destination, handles));
      return rolesOf(session);
    },
    async end() {
      await release(session, handles);
      session = undefined;
    },
  };
  const channel = new Channel({
    input,
    output,
    side: 'plugin',
    other: 'the host',
    async handler(name, params, call) {
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) throw new AppError('unsupported', `there is no method "${name}" here`);
      return method((params ?? {}) as Params, call);
    },
  });
  const { id, label, summary, roles, fields } = plugin;
  const { protocol, versions } = await channel.hello().catch(() => ({ protocol: undefined, versions: [] }));
  if (protocol === protocolName && Array.isArray(versions) && versions.includes(protocolVersion)) {
    const description = { id, label, summary, roles, fields };
    channel.say({ type: 'hello', protocol: protocolName, version: protocolVersion, plugin: description });
    await channel.ended;
  } else if (protocol === protocolName) {
    channel.say({ type: 'hello', protocol: protocolName, versions: [protocolVersion] });
  }
  ended.abort(new AppError('cancelled', 'the host is gone'));
  await release(session, handles);
}

function rolesOf({ source, destination }: Session) {
  return {
    ...(source === undefined
      ? {}
      : {
          source: {
            verify: source.verify !== undefined,
            hold: source.hold !== undefined,
            nvram: source.nvram !== undefined,
            watch: source.watch !== undefined,
            lookWhenChosen: source.lookWhenChosen === true,
          },
        }),
    ...(destination === undefined
      ? {}
      : {
          destination: {
            ...(destination.product === undefined ? {} : { product: destination.product }),
            ...(destination.formats === undefined ? {} : { formats: destination.formats }),
            ...(destination.options === undefined ? {} : { options: destination.options }),
            hardware: destination.hardware !== undefined,
            fields: destination.fields !== undefined,
            networks: destination.networks !== undefined,
          },
        }),
  };
}

function settingsOf(value: unknown): Settings {
  const entries = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(entries.map(([key, text]) => [key, String(text)]));
}

/** The order of undoing: first what was begun to be delivered, last the session. Never throws. */
async function release(session: Session | undefined, handles: Handles): Promise<void> {
  const order: Served['kind'][] = ['sink', 'delivery', 'disk', 'hold'];
  const open = handles.all() as Served[];
  for (const kind of order) {
    for (const served of open.filter((s) => s.kind === kind)) await letGo(served).catch(() => undefined);
  }
  await session?.close().catch(() => undefined);
}

async function letGo(served: Served): Promise<void> {
  switch (served.kind) {
    case 'sink':
      return served.sink.abort();
    case 'delivery':
      served.controller.abort(new AppError('cancelled', 'the host is gone'));
      await served.delivery.rollback();
      return;
    case 'disk':
      return served.disk.source.close();
    case 'hold':
      await served.hold.release();
  }
}
