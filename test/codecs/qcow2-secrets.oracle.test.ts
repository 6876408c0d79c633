import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { OpenContext } from '../../src/codecs/codec.ts';
import { qcow2Codec } from '../../src/codecs/qcow2/index.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { MiB } from '../../src/model/units.ts';
import { rawContent, writeRaw } from '../conformance/images.ts';
import { qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

async function open(path: string, more: Partial<OpenContext>) {
  const source = await fileSource(path);
  const none = () => Promise.reject(new Error('not asked'));
  const context = { sibling: none, parent: none, ...more };
  return qcow2Codec.open(source, context).catch(async (error) => {
    await source.close();
    throw error;
  });
}

async function contentOf(path: string, more: Partial<OpenContext>): Promise<Buffer> {
  const image = await open(path, more);
  try {
    const out = Buffer.alloc(image.size);
    // In pieces of an odd size, so that some start and end inside a sector.
    for (let at = 0; at < out.length; at += 100_003) {
      await image.read(out.subarray(at, at + 100_003), at);
    }
    return out;
  } finally {
    await image.close();
  }
}

const secret = (text: string) => ({ secret: async () => text });

describeWith(['qemu-img'], 'qcow2 encrypted with LUKS', () => {
  const luks = ['encrypt.format=luks', 'encrypt.key-secret=s', 'encrypt.iter-time=100'];

  async function encrypted(options: readonly string[]) {
    const folder = await tempFolder();
    const content = rawContent('scrambled');
    const raw = await writeRaw(join(folder, 'disk.raw'), content);
    const image = join(folder, 'disk.qcow2');
    const object = ['--object', 'secret,id=s,data=open sesame'];
    const args = ['-f', 'raw', '-O', 'qcow2', '-o', [...luks, ...options].join(','), raw, image];
    // qemu measures how fast it is; where the machine is busy, it gives up now and then.
    for (let attempt = 1; ; attempt++) {
      try {
        await qemuImg('convert', ...object, ...args);
        return { image, content };
      } catch (error) {
        if (attempt === 10 || !String(error).includes('accurate CPU usage')) throw error;
        await rm(image, { force: true });
      }
    }
  }

  it.each([
    ['as qemu makes it', []],
    ['aes-128 xts', ['encrypt.cipher-alg=aes-128']],
    ['aes-192 xts', ['encrypt.cipher-alg=aes-192']],
    [
      'xts plain64, with a hash that is not used',
      ['encrypt.ivgen-alg=plain64', 'encrypt.ivgen-hash-alg=sha1'],
    ],
    ['cbc essiv', ['encrypt.cipher-mode=cbc', 'encrypt.ivgen-alg=essiv', 'encrypt.ivgen-hash-alg=sha256']],
    ['cbc plain64, sha1', ['encrypt.cipher-mode=cbc', 'encrypt.ivgen-alg=plain64', 'encrypt.hash-alg=sha1']],
    ['xts plain, sha512', ['encrypt.ivgen-alg=plain', 'encrypt.hash-alg=sha512']],
    ['clusters of 4K', ['cluster_size=4096']],
    ['extended L2', ['extended_l2=on']],
  ])('%s', async (_name, options) => {
    const { image, content } = await encrypted(options);
    expect((await contentOf(image, secret('open sesame'))).equals(content)).toBe(true);
  });

  it('a wrong passphrase and none at all are told apart', async () => {
    const { image } = await encrypted([]);
    await expect(open(image, secret('open barley'))).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('none of the key slots'),
    });
    await expect(open(image, {})).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('--secret'),
    });
  });

  it('an unknown cipher is refused by its name', async () => {
    const { image } = await encrypted(['encrypt.cipher-alg=serpent-256']);
    await expect(open(image, secret('open sesame'))).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('serpent'),
    });
  });

  it('the AES of old qemu is refused', async () => {
    const folder = await tempFolder();
    const image = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', image, '1M');
    const bytes = await readFile(image);
    bytes.writeUInt32BE(1, 32);
    await writeFile(image, bytes);
    await expect(open(image, secret('x'))).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describeWith(['qemu-img', 'qemu-io'], 'qcow2 internal snapshots', () => {
  async function withSnapshots(createArgs: readonly string[] = []) {
    const folder = await tempFolder();
    const image = join(folder, 'disk.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', ...createArgs, image, '4M');
    await qemuIo('qcow2', image, 'write -P 1 0 1M', 'write -P 2 2M 300k');
    await qemuImg('snapshot', '-c', 'first', image);
    await qemuIo('qcow2', image, 'write -P 3 512k 1M', 'discard 2M 128k');
    await qemuImg('snapshot', '-c', 'second, with "odd" name', image);
    await qemuImg('resize', '-q', image, '6M');
    await qemuIo('qcow2', image, 'write -P 4 0 256k', 'write -P 5 5M 64k');
    return { folder, image };
  }

  async function byQemu(folder: string, image: string, snapshot: string): Promise<Buffer> {
    const raw = join(folder, 'snapshot.raw');
    await qemuImg('convert', '-l', snapshot, '-f', 'qcow2', '-O', 'raw', image, raw);
    return readFile(raw);
  }

  it.each([
    ['64K', []],
    ['clusters of 512', ['-o', 'cluster_size=512']],
    ['extended L2', ['-o', 'extended_l2=on']],
  ])('by name and by id, %s', async (_name, createArgs) => {
    const { folder, image } = await withSnapshots(createArgs);
    for (const name of ['first', '1', 'second, with "odd" name', '2']) {
      const copy = join(folder, 'copy.qcow2');
      await copyFile(image, copy);
      const expected = await byQemu(folder, copy, name);
      const found = await contentOf(image, { snapshot: name });
      // qemu opens it with the size of now; what was not there then is zeros.
      expect(found.length).toBe(4 * MiB);
      expect(expected.subarray(0, found.length).equals(found)).toBe(true);
      expect(expected.subarray(found.length).every((byte) => byte === 0)).toBe(true);
    }
  });

  it('an unknown one is not found, and what there is is told', async () => {
    const { image } = await withSnapshots();
    await expect(open(image, { snapshot: 'third' })).rejects.toMatchObject({
      kind: 'not-found',
      hint: expect.stringContaining('first, second'),
    });
    const now = await open(image, {});
    expect(now.info.details.snapshotNames).toContain('first');
    await now.close();
  });
});
