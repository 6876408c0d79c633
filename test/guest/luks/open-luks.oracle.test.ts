/**
 * cryptsetup makes the headers and tells the key; node:crypto, one call per sector, encrypts what lies behind
 * them: the kernel's part can't be had everywhere (one image written by it is a fixture of `open-volumes.test.ts`).
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLuks } from '../../../src/guest/luks/open-luks.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { diskOf } from '../disks.ts';

const passphrase = 'correct horse battery';
const pbkdf2 = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
const argon2 = (type: string) => ['--pbkdf', type, '--pbkdf-force-iterations', '4', '--pbkdf-memory', '64'];
const plain = randomBytes(64 * 1024, 5);

interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly cipher: string;
  readonly sectorBytes?: number;
  readonly essiv?: boolean;
}

const cases: readonly Case[] = [
  {
    name: 'LUKS1, AES-XTS',
    args: ['--type', 'luks1', '--key-size', '512', ...pbkdf2],
    cipher: 'aes-256-xts',
  },
  {
    name: 'LUKS1, AES-CBC with ESSIV',
    args: [
      '--type',
      'luks1',
      '-c',
      'aes-cbc-essiv:sha256',
      '--key-size',
      '256',
      '--hash',
      'sha512',
      ...pbkdf2,
    ],
    cipher: 'aes-256-cbc',
    essiv: true,
  },
  {
    name: 'LUKS2, PBKDF2',
    args: ['--type', 'luks2', '--key-size', '256', '--sector-size', '512', ...pbkdf2],
    cipher: 'aes-128-xts',
  },
  {
    name: 'LUKS2, Argon2id, sectors of 4096',
    args: ['--type', 'luks2', '--key-size', '512', '--sector-size', '4096', ...argon2('argon2id')],
    cipher: 'aes-256-xts',
    sectorBytes: 4096,
  },
  {
    name: 'LUKS2, Argon2i, two lanes',
    args: [
      ...['--type', 'luks2', '--key-size', '512', '--sector-size', '512'],
      ...[...argon2('argon2i'), '--pbkdf-parallel', '2'],
    ],
    cipher: 'aes-256-xts',
  },
];

/** A device of cryptsetup's with `plain` at the start of its data; `offset` is where that is. */
async function sealed({ args, cipher, sectorBytes = 512, essiv = false }: Case) {
  const folder = await tempFolder();
  const path = join(folder, 'device');
  const handle = await open(path, 'wx');
  await handle.truncate(18 * 2 ** 20);
  await handle.close();
  await writeFile(join(folder, 'key'), passphrase);
  const cryptsetup = (...more: string[]) =>
    execFileSync('cryptsetup', [...more, '--key-file', join(folder, 'key')], { encoding: 'utf8' });
  cryptsetup('luksFormat', '-q', ...args, path);
  // A second slot: the passphrase asked for is then not that of the first one.
  await writeFile(join(folder, 'second'), 'second');
  const isPbkdf2 = args.includes('pbkdf2');
  const cheap = isPbkdf2 ? pbkdf2 : argon2('argon2id');
  cryptsetup('luksAddKey', '-q', ...cheap, path, join(folder, 'second'));
  const dump = cryptsetup('luksDump', '-q', '--dump-volume-key', path);
  const hex = /MK dump:\s*((?:[0-9a-f]{2}\s+)+)/.exec(dump)![1]!;
  const offset = Number(/(?:Payload|Data) offset:\s*(\d+)/i.exec(dump)?.[1] ?? Number.NaN);
  const at = Number.isNaN(offset) ? 16 * 2 ** 20 : offset * 512;
  const key = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  const bytes = await readFile(path);
  for (let i = 0; i < plain.length; i += sectorBytes) {
    let start = Buffer.alloc(16);
    start.writeUInt32LE(i / 512);
    if (essiv) {
      const salted = createHash('sha256').update(key).digest();
      start = createCipheriv('aes-256-ecb', salted, null).setAutoPadding(false).update(start);
    }
    const sector = plain.subarray(i, i + sectorBytes);
    createCipheriv(cipher, key, start)
      .setAutoPadding(false)
      .update(sector)
      .copy(bytes, at + i);
  }
  return bytes;
}

describeWith(['cryptsetup'], 'LUKS, by cryptsetup', () => {
  it.each(cases)('$name', async (c) => {
    const bytes = await sealed(c);
    const device = diskOf(bytes);
    for (const secret of [passphrase, 'second']) {
      const disk = await openLuks(device, secret);
      expect(disk.sectorSize).toBe(c.sectorBytes ?? 512);
      expect((await readBytes(disk, 0, plain.length)).equals(plain)).toBe(true);
      expect((await readBytes(disk, 4095, 6001)).equals(plain.subarray(4095, 4095 + 6001))).toBe(true);
    }
    await expect(openLuks(device, 'wrong')).rejects.toMatchObject({ kind: 'auth' });
  });

  it('LUKS2 by its second header, where the first is lost', async () => {
    const bytes = await sealed(cases[2]!);
    bytes.fill(0, 0, 16384);
    const disk = await openLuks(diskOf(bytes), passphrase);
    expect((await readBytes(disk, 0, plain.length)).equals(plain)).toBe(true);
    bytes.fill(0, 16384, 32768);
    await expect(openLuks(diskOf(bytes), passphrase)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
