/** A fake pool with machines in it, and sessions of the plugin at it. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PluginContext, Session } from '../../../src/env-plugins/plugin.ts';
import { xapiPlugin } from '../../../src/env-plugins/xapi/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { type FakeXapi, startXapi } from '../../servers/xapi.ts';
import type { Fields } from '../../servers/xapi-database.ts';
import { tempFolder } from '../../temp.ts';

export const never = new AbortController().signal;
export const MiB = 1024 * 1024;

export async function connected(
  server: Pick<FakeXapi, 'port' | 'user' | 'password'>,
  context: Partial<PluginContext> = {},
  settings: Record<string, string> = {},
): Promise<Session> {
  const plugin = xapiPlugin({ certificates: join(await tempFolder(), 'known_certificates') });
  const session = await plugin.connect(
    { host: '127.0.0.1', port: String(server.port), user: server.user, ...settings },
    {
      signal: never,
      secret: async () => server.password,
      report: () => undefined,
      confirm: async () => true,
      ...context,
    },
  );
  onTestFinished(() => session.close());
  return session;
}

export async function listed(session: Session): Promise<Machine[]> {
  const machines: Machine[] = [];
  await session.source!.list({ signal: never, found: (machine) => machines.push(machine) });
  return machines;
}

/** Bytes that differ from place to place, with two large gaps of zeros. */
export function sparseContent(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (const from of [0, 5 * MiB, size - 70_000]) {
    for (let i = Math.max(0, from); i < Math.min(from + 200_000, size); i++)
      bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  }
  return bytes;
}

export interface MadeMachine {
  readonly vm: string;
  readonly vdi: string;
  readonly content: Buffer;
}

/** One with a disk, a CD drive and a card. */
export function addMachine(server: FakeXapi, name: string, more: Fields = {}, size = 8 * MiB): MadeMachine {
  const { database, sr, network } = server;
  const content = sparseContent(size);
  const vm = database.createVm({
    name_label: name,
    name_description: '',
    is_a_template: false,
    memory_static_max: String(2048 * MiB),
    memory_dynamic_max: String(1024 * MiB),
    VCPUs_max: '4',
    VCPUs_at_startup: '2',
    actions_after_crash: 'restart',
    PV_args: '',
    HVM_boot_policy: 'BIOS order',
    HVM_boot_params: { order: 'cdn', firmware: 'uefi' },
    platform: { secureboot: 'true', 'cores-per-socket': '2', vtpm: 'true', timeoffset: '3600' },
    other_config: { base_template_name: 'Debian Bookworm 12' },
    NVRAM: { 'EFI-variables': Buffer.from('VARS and more').toString('base64') },
  });
  Object.assign(database.get('VM', vm), more);
  const vdi = database.vdi(sr, `${name} 0`, content);
  database.attach('VBD', {
    VM: vm,
    VDI: vdi,
    userdevice: '0',
    type: 'Disk',
    mode: 'RW',
    bootable: true,
    empty: false,
  });
  database.attach('VBD', {
    VM: vm,
    VDI: 'OpaqueRef:NULL',
    userdevice: '3',
    type: 'CD',
    mode: 'RO',
    empty: true,
  });
  database.attach('VIF', {
    VM: vm,
    network,
    device: '0',
    MAC: '00:16:3E:00:00:07',
    locking_mode: 'network_default',
  });
  return { vm, vdi, content };
}

export async function poolWithMachine(more: Fields = {}): Promise<{ server: FakeXapi; made: MadeMachine }> {
  const server = await startXapi();
  return { server, made: addMachine(server, 'web', more) };
}
