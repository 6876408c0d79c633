/** Encryption around whole files: what damaged ones and wrong keys come to. Judged by `age` in the e2e tests. */
import { armor, Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { type ByteSink, memorySource } from '../../src/io/byte-source.ts';
import { agePacker, type Seal } from '../../src/io/wrappers/age.ts';
import { packedSink } from '../../src/io/wrappers/packed-sink.ts';
import { unwrap } from '../../src/io/wrappers/unwrap.ts';
import {
  detectWrapper,
  splitWrapperName,
  withoutWrappers,
  wrapperOf,
} from '../../src/io/wrappers/wrapper.ts';
import { AppError } from '../../src/model/errors.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { randomBytes } from '../conformance/random.ts';

const identity = await generateIdentity();
const recipients = [await identityToRecipient(identity)];

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

async function sealed(seal: Seal, writes: readonly Write[], size: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let finished = -1;
  const sink: ByteSink = {
    name: 'a.age',
    access: 'forward',
    async write(bytes, offset) {
      expect(offset).toBe(parts.reduce((sum, part) => sum + part.length, 0));
      parts.push(Buffer.from(bytes));
    },
    async finish(end) {
      finished = end;
    },
    async abort() {
      // nothing is held
    },
  };
  const packed = packedSink(sink, await agePacker(seal));
  for (const { offset, bytes } of writes) await packed.write(bytes, offset);
  await packed.finish(size);
  const all = Buffer.concat(parts);
  expect(finished).toBe(all.length);
  return all;
}

async function opened(bytes: Buffer, secret: string, signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of unwrap(memorySource(bytes, 'a.age'), 'age', signal, async () => secret))
    parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
const outcome = (bytes: Buffer, secret: string) =>
  opened(bytes, secret).then(
    () => 'opened',
    (error) => (error instanceof AppError ? error.kind : `${error}`),
  );

describe('age', () => {
  it('is known by its magic and its name', async () => {
    expect(wrapperOf(await sealed({ recipients }, [], 0))).toBe('age');
    expect(splitWrapperName('disk.raw.age')).toEqual({ inner: 'disk.raw', wrapper: 'age' });
    expect(withoutWrappers('/a/disk.raw.zst.age')).toBe('/a/disk.raw');
  });

  it('as text (armored) is refused, not taken for a disk', async () => {
    const text = Buffer.from(armor.encode(await sealed({ recipients }, [], 0)));
    await expect(detectWrapper(memorySource(text))).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('there and back, with zeros in the gaps', async () => {
    for (const size of [0, 1, 64 * KiB, 64 * KiB + 1, MiB, 3 * MiB + 3]) {
      const expected = Buffer.alloc(size);
      const writes: Write[] = [];
      for (const offset of [0, 70_000, 3 * MiB - 1]) {
        const bytes = randomBytes(Math.max(0, Math.min(60_000, size - offset)), offset + 1);
        if (bytes.length === 0) continue;
        bytes.copy(expected, offset);
        writes.push({ offset, bytes });
      }
      const file = await sealed({ recipients }, writes, size);
      expect((await opened(file, identity)).equals(expected), `${size}`).toBe(true);
    }
  });

  it('by passphrase; a wrong one is said to be wrong', async () => {
    const file = await sealed(
      { passphrase: 'right', workFactor: 10 },
      [{ offset: 0, bytes: Buffer.from('disk') }],
      4,
    );
    expect((await opened(file, 'right')).toString()).toBe('disk');
    await expect(opened(file, 'wrong')).rejects.toMatchObject({
      kind: 'auth',
      message: /passphrase is wrong/,
    });
    // What the library makes of it, and of ours.
    const theirs = new Encrypter();
    theirs.setScryptWorkFactor(8);
    theirs.setPassphrase('right');
    expect((await opened(Buffer.from(await theirs.encrypt('disk')), 'right')).toString()).toBe('disk');
    const reader = new Decrypter();
    reader.addPassphrase('right');
    expect(await reader.decrypt(file, 'text')).toBe('disk');
    const costly = Buffer.from(file.toString('latin1').replace(/^(-> scrypt \S+) 10$/m, '$1 31'), 'latin1');
    await expect(opened(costly, 'right')).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('another identity, and what is none', async () => {
    const file = await sealed({ recipients }, [], 9);
    const commented = `# created: today\n# public key: ${recipients[0]}\n${await generateIdentity()}\n${identity}\n`;
    expect(await outcome(file, commented)).toBe('opened');
    expect(await outcome(file, await generateIdentity())).toBe('auth');
    for (const none of ['', 'AGE-SECRET-KEY-1XYZZY', 'password']) {
      const error = await opened(file, none).catch((e: AppError) => e);
      expect(error).toMatchObject({ kind: 'auth', message: 'this is no age identity' });
      expect(`${(error as AppError).cause}`).not.toMatch(/XYZZY|password/i);
    }
    await expect(agePacker({ recipients: ['age1nobody'] })).rejects.toMatchObject({ kind: 'usage' });
  });

  it('damaged or cut anywhere: refused, never other bytes', async () => {
    const content = randomBytes(200_000, 1);
    const file = await sealed({ recipients }, [{ offset: 0, bytes: content }], content.length);
    const wrong = ['corrupt', 'auth', 'unsupported'];
    for (let at = 0; at < file.length; at += at < 300 ? 11 : 25_013) {
      const copy = Buffer.from(file);
      copy[at]! ^= 0x15;
      expect(wrong, `changed at ${at}`).toContain(await outcome(copy, identity));
      expect(wrong, `cut at ${at}`).toContain(await outcome(file.subarray(0, at), identity));
    }
    // At the end of a chunk: what is left is whole, but not the last one.
    const header = file.length - content.length - 4 * 16;
    expect(await outcome(file.subarray(0, header + 2 * (64 * KiB + 16)), identity)).toBe('corrupt');
    expect(await outcome(Buffer.concat([file, Buffer.alloc(9)]), identity)).toBe('corrupt');
    const endless = Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(3 * MiB, 'a')]);
    expect(await outcome(endless, identity)).toBe('corrupt');
  });

  it('ends when it is cancelled', async () => {
    const file = await sealed({ recipients }, [], MiB);
    await expect(opened(file, identity, AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
