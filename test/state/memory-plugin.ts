/** An environment in memory: its machines can run and be held, and it takes machines. Everything done to it is told. */
import type { DeliveryRequest, EnvironmentPlugin, Session } from '../../src/env-plugins/plugin.ts';
import type { ByteSource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Field } from '../../src/model/field.ts';
import type { Severity } from '../../src/model/finding.ts';
import type { Leftover } from '../../src/model/leftover.ts';
import type { Machine } from '../../src/model/machine.ts';

export interface Memory {
  machines: Machine[];
  readonly told: string[];
  readonly requests: DeliveryRequest[];
  /** Secrets that the environment was given, by its id. */
  readonly secrets: string[];
  formats: string[];
  networks: string[];
  holds: boolean;
  /** Of what a hold finds; default `warning`. */
  holdSeverity?: Severity;
  /** Somebody else lets the machine go while it is read. */
  holdBroken?: boolean;
  starts: 'well' | 'badly' | 'not';
  failWrite?: boolean;
  /** What a rollback can't take back. */
  leftovers?: readonly Leftover[];
  /** It is a folder of files, for any product. */
  product?: 'none';
  asks?: string;
  /** Of links that failed, told at each connection. */
  notes?: readonly string[];
  /** It wants a line at each connection; what it was given is in `secrets`. */
  asksLine?: { readonly text: string; readonly hidden: boolean };
  left: string[];
  /** What a release waits for. */
  releasing?: Promise<void>;
}

export const memory = (machines: Machine[] = []): Memory => ({
  machines,
  told: [],
  requests: [],
  secrets: [],
  formats: ['qcow2', 'raw'],
  networks: ['lan', 'dmz'],
  holds: true,
  starts: 'well',
  left: [],
});

const field = { help: 'x', kind: 'text', required: false } as const;
export const deliveryFields: readonly Field[] = [
  { ...field, key: 'pool', label: 'Pool', kind: 'choice', choices: ['default', 'fast'], default: 'default' },
  { ...field, key: 'note', label: 'Note' },
];

export function memoryMachine(change: Partial<Machine> = {}): Machine {
  return {
    id: 'id-web',
    name: 'web',
    state: 'off',
    processors: { count: 1 },
    firmware: { kind: 'bios' },
    disks: [{ id: 'vda', name: 'web.raw', format: 'raw', files: [] }],
    nics: [{ network: 'lan' }],
    findings: [],
    ...change,
  };
}

export function memoryPlugin(id: string, store: Memory): EnvironmentPlugin {
  const say = (text: string) => void store.told.push(text);
  return {
    id,
    label: `Memory ${id}`,
    summary: '',
    roles: ['source', 'destination'],
    fields: [
      { ...field, key: 'host', label: 'Host', required: true },
      { ...field, key: 'password', label: 'Password', kind: 'secret' },
    ],
    async connect(settings, context) {
      if (settings.host === 'nowhere')
        throw new AppError('unreachable', 'no answer', { hint: 'check the name' });
      if (store.asks !== undefined && !(await context.confirm(store.asks)))
        throw new AppError('auth', 'the host is not known');
      if (store.asksLine !== undefined) {
        if (context.ask === undefined) throw new AppError('auth', 'nobody can be asked');
        store.secrets.push(await context.ask(store.asksLine));
      }
      if (settings.signIn === 'yes') store.secrets.push(await context.secret('password'));
      say(`connect ${settings.host}`);
      for (const text of store.notes ?? []) context.note?.(text);
      return session(
        store,
        say,
        (step) => context.report(step),
        async () => say(`close ${settings.host}`),
      );
    },
  };
}

function session(
  store: Memory,
  say: (text: string) => void,
  report: (step: string) => void,
  close: () => Promise<void>,
): Session {
  const byId = (id: string) => {
    const machine = store.machines.find((m) => m.id === id);
    if (machine === undefined) throw new AppError('not-found', `no machine ${id}`);
    return machine;
  };
  return {
    source: {
      list: async ({ found }) => store.machines.forEach(found),
      inspect: async (id) => byId(id),
      open: async (machine, disk) => {
        if (machine.state === 'running' && !store.told.includes('hold'))
          throw new AppError('unsupported', 'it runs');
        report(`opening ${disk}`);
        say(`open ${disk}`);
        return { source: bytes(disk), format: 'raw', sibling: async () => Promise.reject(new Error('none')) };
      },
      nvram: async () => Buffer.from('variables'),
      ...(store.holds
        ? {
            hold: async (machine: Machine) => {
              say('hold');
              return {
                machine,
                findings: [{ rule: 'x', severity: store.holdSeverity ?? 'warning', message: 'not quiesced' }],
                verify: async () => {
                  if (store.holdBroken) throw new AppError('conflict', 'it was let go');
                },
                release: async () => {
                  await store.releasing;
                  say('release');
                  return store.left;
                },
              };
            },
          }
        : {}),
    },
    destination: {
      ...(store.product === 'none' ? {} : { product: 'qemu', formats: store.formats }),
      fields: async () => deliveryFields,
      networks: async () => store.networks,
      check: async (request) => {
        report('checking');
        store.requests.push(request);
        return [];
      },
      begin: async () => ({
        sink: async ({ name }) => ({
          name,
          access: 'random',
          write: async () => {
            if (store.failWrite) throw new AppError('io', 'the write failed');
          },
          finish: async () => say(`wrote ${name}`),
          abort: async () => undefined,
        }),
        commit: async () => {
          say('commit');
          return ['memory:web'];
        },
        rollback: async () => {
          say('rollback');
          return store.leftovers ?? [];
        },
        ...(store.starts === 'not'
          ? {}
          : {
              start: async () => {
                if (store.starts === 'badly') throw new AppError('io', 'no room for its memory');
                return 'running' as const;
              },
            }),
      }),
    },
    close,
  };
}

function bytes(name: string): ByteSource {
  const data = Buffer.alloc(4096, 7);
  return {
    name,
    size: data.length,
    access: 'random',
    async read(target, offset) {
      data.copy(target, 0, offset, offset + target.length);
    },
    async close() {
      // nothing is held
    },
  };
}
