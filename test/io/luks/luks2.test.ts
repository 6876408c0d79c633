/** A LUKS2 device that cryptsetup made and dm-crypt wrote (test/guest/fixtures/volumes), its metadata changed. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openLuks } from '../../../src/guest/luks/open-luks.ts';
import { AppError } from '../../../src/model/errors.ts';
import { randomNumbers } from '../../conformance/random.ts';
import { diskOf } from '../../guest/disks.ts';
import { volumeFixture } from '../../guest/volume-fixtures.ts';

const MiB = 2 ** 20;
const headerBytes = 16 * 1024;
const device = volumeFixture('nested').subarray(MiB, 7 * MiB);

/** Both headers with another text, their checksums right. */
function edited(edit: (text: string) => string): Buffer {
  const bytes = Buffer.from(device);
  for (const at of [0, headerBytes]) {
    const header = bytes.subarray(at, at + headerBytes);
    const text = Buffer.from(edit(header.toString('utf8', 4096).split('\0', 1)[0]!)).subarray(
      0,
      headerBytes - 4096,
    );
    header.fill(0, 4096).set(text, 4096);
    header.fill(0, 448, 512);
    createHash('sha256').update(header).digest().copy(header, 448);
  }
  return bytes;
}

const opened = (bytes: Buffer, passphrase = 'opensesame') => openLuks(diskOf(bytes), passphrase);
// biome-ignore lint/suspicious/noExplicitAny: any shape is the point
type Metadata = any;

/** Changes a part of the metadata. */
const json = (change: (metadata: Metadata) => void) =>
  edited((text) => {
    const metadata = JSON.parse(text);
    change(metadata);
    return JSON.stringify(metadata);
  });

describe('LUKS2 metadata', () => {
  it('written anew it opens', async () => {
    expect((await opened(json(() => undefined))).sectorSize).toBe(4096);
  });

  it('the newer header counts, and the other where that is broken', async () => {
    const bytes = json((m) => {
      m.keyslots = {};
    });
    device.copy(bytes, headerBytes, headerBytes, 2 * headerBytes);
    bytes.writeBigUInt64BE(1n, headerBytes + 16);
    await expect(opened(bytes)).rejects.toMatchObject({ kind: 'corrupt' });
    bytes[5000]! ^= 1;
    // The second one's own checksum: its number was changed.
    await expect(opened(bytes)).rejects.toMatchObject({ kind: 'corrupt' });
    device.copy(bytes, headerBytes, headerBytes, 2 * headerBytes);
    expect((await opened(bytes)).size).toBeGreaterThan(0);
  });

  it.each<[string, string, (m: Metadata) => void]>([
    [
      'an encryption under way',
      'unsupported',
      (m) => (m.config.requirements = { mandatory: ['online-reencrypt-v2'] }),
    ],
    ['two segments', 'unsupported', (m) => (m.segments['1'] = m.segments['0'])],
    [
      'authenticated encryption',
      'unsupported',
      (m) => (m.segments['0'].integrity = { type: 'hmac(sha256)' }),
    ],
    ['another cipher', 'unsupported', (m) => (m.segments['0'].encryption = 'serpent-xts-plain64')],
    ['data past the end', 'corrupt', (m) => (m.segments['0'].offset = '99999999999')],
    ['data at the header', 'corrupt', (m) => (m.segments['0'].offset = '0')],
    ['sectors of 3 bytes', 'corrupt', (m) => (m.segments['0'].sector_size = 3)],
    ['a size that is none', 'corrupt', (m) => (m.segments['0'].size = '-4096')],
    ['a key slot past the end', 'corrupt', (m) => (m.keyslots['0'].area.offset = '99999999999')],
    ['more stripes than the slot has', 'corrupt', (m) => (m.keyslots['0'].af.stripes = 40000)],
    ['a terabyte for a passphrase', 'unsupported', (m) => (m.keyslots['0'].kdf.memory = 2 ** 30)],
    ['passes for a year', 'unsupported', (m) => (m.keyslots['0'].kdf.time = 2 ** 31)],
    ['no digest', 'corrupt', (m) => (m.digests = {})],
    ['a digest of length 0', 'corrupt', (m) => (m.digests['0'].digest = '')],
    ['no key slot of a known kind', 'corrupt', (m) => (m.keyslots['0'].type = 'other')],
    ['no segments', 'unsupported', (m) => (m.segments = {})],
    ['a list for an object', 'corrupt', (m) => (m.config = [1])],
  ])('%s is %s', async (_name, kind, change) => {
    await expect(opened(json(change))).rejects.toMatchObject({ name: 'AppError', kind });
  });

  it('what is no JSON', async () => {
    await expect(opened(edited(() => '{'))).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(opened(edited(() => '['.repeat(12000)))).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('any damage gives an error of ours or is harmless', async () => {
    const random = randomNumbers(4);
    for (let i = 0; i < 15; i++) {
      const damaged = edited((text) => {
        const at = Math.floor(random() * text.length);
        return `${text.slice(0, at)}${String.fromCharCode(32 + random() * 94)}${text.slice(at + 1)}`;
      });
      // A slot that is not tried costs nothing; the wrong passphrase is as good as the right one here.
      const error = await opened(damaged, 'x').catch((e) => e);
      expect(error).toBeInstanceOf(AppError);
    }
  });

  it('a cancel ends it', async () => {
    const controller = new AbortController();
    const work = openLuks(diskOf(json((m) => (m.keyslots['0'].kdf.time = 20000))), 'x', {
      signal: controller.signal,
    });
    controller.abort();
    await expect(work).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
