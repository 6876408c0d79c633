/** NBD on a link that fails. Without TLS it has no checksums: a byte that is changed on the way is not noticed by it. */
import { expect, it, onTestFinished } from 'vitest';
import { type ByteSource, readBytes } from '../../src/io/byte-source.ts';
import { openNbd } from '../../src/io/nbd/client.ts';
import { reopening, Tries } from '../../src/io/retrying.ts';
import { MiB } from '../../src/model/units.ts';
import { randomBytes } from '../conformance/random.ts';
import { served, sparseDisk } from '../io/nbd/disks.ts';
import { type BadLink, badLink } from '../servers/bad-link.ts';

async function far(bytes: Buffer): Promise<{ link: BadLink; source: ByteSource; told: string[] }> {
  const disk = { name: 'disk', disk: sparseDisk(bytes) };
  const server = await served({ exports: [disk], listen: { port: 0 } });
  const link = await badLink(Number(new URL(server.uri()).port));
  onTestFinished(() => link.close());
  const told: string[] = [];
  const tries = new Tries({ pausesMs: [1, 1, 1], tell: (text) => told.push(text) });
  const where = { host: '127.0.0.1', port: link.port, name: 'disk', timeoutMs: 400 };
  const source = await reopening(tries, () => openNbd(where));
  onTestFinished(() => source.close());
  return { link, source, told };
}

const bytes = randomBytes(8 * MiB, 1);

async function whole(source: ByteSource): Promise<Buffer> {
  const got = await Promise.all([0, 2, 4, 6].map((at) => readBytes(source, at * MiB, 2 * MiB)));
  return Buffer.concat(got);
}

it.each(['cut', 'reset', 'stall', 'end'] as const)('a disk is read whole through each %s', async (fault) => {
  const { link, source, told } = await far(bytes);
  link.after(3 * MiB, fault, { times: 2 });
  expect((await whole(source)).equals(bytes)).toBe(true);
  expect(await source.extents!(0, bytes.length)).toEqual([{ kind: 'data', offset: 0, length: bytes.length }]);
  expect(link.faults).toBe(2);
  expect(told[0]).toMatch(/^NBD: the connection was lost|no answer/);
});

it('a byte that is changed on the way is one that came, without TLS', async () => {
  const { link, source } = await far(bytes);
  link.after(3 * MiB, 'flip');
  expect((await whole(source)).equals(bytes)).toBe(false);
  expect(link.faults).toBe(1);
});
