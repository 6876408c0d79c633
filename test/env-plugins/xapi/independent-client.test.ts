/** The fake, judged by a client that others wrote (npm xen-api, of Xen Orchestra): what it reads and writes is there. */
import { buffer } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
// @ts-expect-error it brings no types
import { createClient } from 'xen-api';
import { vhdCodec } from '../../../src/codecs/vhd/index.ts';
import { memorySource } from '../../../src/io/byte-source.ts';
import { openXvaDisk, readDescription } from '../../../src/packages/xva/read-xva.ts';
import { machinesIn } from '../../../src/packages/xva/xva-machines.ts';
import { connected, listed, MiB, poolWithMachine, sparseContent } from './pool.ts';

it('tells the client of Xen Orchestra what changes', async () => {
  const { server, made } = await poolWithMachine();
  const { user, password } = server;
  const client = createClient({
    url: `https://127.0.0.1:${server.port}`,
    auth: { user, password },
    allowUnauthorized: true,
    watchEvents: ['VM', 'pool'],
    transport: 'json-rpc',
    debounce: 20,
  });
  await client.connect();
  onTestFinished(() => client.disconnect());
  // Its next question finds the fake gone.
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await client.objectsFetched;
  server.database.get('VM', made.vm).name_label = 'renamed';
  const seen = () => client.objects.all[server.database.get('VM', made.vm).uuid]?.name_label;
  await expect.poll(seen, { timeout: 10_000 }).toBe('renamed');
});

it('is a pool to the client of Xen Orchestra', async () => {
  const { server, made } = await poolWithMachine();
  const { user, password } = server;
  const client = createClient({
    url: `https://127.0.0.1:${server.port}`,
    auth: { user, password },
    allowUnauthorized: true,
    watchEvents: false,
    transport: 'json-rpc',
  });
  await client.connect();
  onTestFinished(() => client.disconnect());

  const machines = await client.getAllRecords('VM');
  const vm = machines.find((record: { name_label: string }) => record.name_label === 'web');
  expect(vm).toMatchObject({ power_state: 'Halted', VCPUs_at_startup: '2' });

  const exported = async (format: string): Promise<Buffer> => {
    const response = await client.getResource('/export_raw_vdi/', { query: { vdi: made.vdi, format } });
    return buffer(response.body);
  };
  expect((await exported('raw')).equals(made.content)).toBe(true);
  const image = await vhdCodec.open(memorySource(await exported('vhd'), 'a.vhd'), {
    sibling: async () => {
      throw new Error('there is none');
    },
    parent: async () => {
      throw new Error('there is none');
    },
  });
  const bytes = Buffer.alloc(image.size);
  await image.read(bytes, 0);
  expect(bytes.equals(made.content)).toBe(true);

  const content = sparseContent(4 * MiB);
  const vdi = await client.call('VDI.create', {
    SR: server.sr,
    name_label: 'theirs',
    virtual_size: String(4 * MiB),
  });
  await client.putResource(content, '/import_raw_vdi/', { query: { vdi, format: 'raw' } });
  expect(server.database.bytes.get(vdi)!.equals(content)).toBe(true);

  // A whole machine out of it is ours to read, and goes in again.
  const response = await client.getResource('/export/', { query: { ref: made.vm } });
  const archive = await buffer(response.body);
  const { disks } = machinesIn(await readDescription(memorySource(archive)), 'a.xva');
  const disk = await openXvaDisk(memorySource(archive), disks[0]!);
  const whole = Buffer.alloc(disk.size);
  await disk.read(whole, 0);
  expect(whole.equals(made.content)).toBe(true);
  await client.putResource(archive, '/import/', { query: { sr_id: server.sr } });
  const twins = () => [...server.database.of('VM').values()].filter(({ name_label }) => name_label === 'web');
  await expect.poll(() => twins().length).toBe(2);
  server.database.destroyVm((await client.call('VM.get_by_uuid', twins()[1]!.uuid)) as string);

  await expect(client.call('VDI.destroy', 'OpaqueRef:none')).rejects.toMatchObject({
    code: 'HANDLE_INVALID',
  });
  // What theirs has made, ours can see.
  await client.call('VM.set_name_label', vm.$ref ?? made.vm, 'renamed');
  expect((await listed(await connected(server))).map(({ name }) => name)).toEqual(['renamed']);
});
