/** What every host does alike, whichever way it is reached. */
import { mkdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBytes } from '../../src/io/byte-source.ts';
import { bytesOf } from '../../src/io/extents.ts';
import type { Host } from '../../src/io/host/host.ts';
import type { AppError } from '../../src/model/errors.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { tempFolder } from '../temp.ts';
import { randomBytes, randomNumbers } from './random.ts';

export interface HostTraits {
  /** Holes of files are told. */
  readonly extents: boolean;
  /** How its files are reached, in `describe()`. */
  readonly helper?: string;
}

const oddNames = [`it's "quoted"`, 'a  b\nc', '$(touch x)', '-rf', '`id`;&|<>', 'ümlaut \\n *?[a]', '%s'];

export const failure = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('it should have failed');
    },
    (error) => error,
  );

/** `open` gives a host whose files are this computer's, closed with the test. */
export function testHost(name: string, open: () => Promise<Host>, traits: HostTraits): void {
  const { extents, helper } = traits;
  describe(`${name} as a host`, () => {
    it('runs commands: exit code, both outputs, input, arguments as they are', async () => {
      const host = await open();
      const result = await host.run(['sh', '-c', 'cat; echo bad >&2; exit 3'], { input: 'given' });
      expect({ ...result, stdout: result.stdout.toString() }).toEqual({
        code: 3,
        stdout: 'given',
        stderr: 'bad\n',
      });
      const echoed = await host.run(['printf', '%s|', ...oddNames]);
      expect(echoed.stdout.toString()).toBe(oddNames.map((n) => `${n}|`).join(''));
      expect((await host.run(['sh', '-c', 'echo $LC_ALL'])).stdout.toString()).toBe('C\n');
      expect(await failure(host.run(['no-such-command-here']))).toMatchObject({ kind: 'not-found' });
      expect(await failure(host.run(['cat', '/dev/zero'], { maximumBytes: 100_000 }))).toMatchObject({
        kind: 'io',
      });
    });

    it('runs commands whose streams are used meanwhile, with back-pressure', async () => {
      const host = await open();
      const running = await host.spawn(['cat']);
      const bytes = randomBytes(12 * MiB + 5, 3);
      let got = 0;
      const writing = (async () => {
        for (let at = 0; at < bytes.length; at += 100_000) {
          if (!running.stdin.write(bytes.subarray(at, at + 100_000)))
            await new Promise((resolve) => running.stdin.once('drain', resolve));
        }
        running.stdin.end();
      })();
      for await (const chunk of running.stdout) {
        expect(bytes.subarray(got, got + chunk.length).equals(chunk)).toBe(true);
        got += chunk.length;
      }
      await writing;
      expect(got).toBe(bytes.length);
      expect(await running.ended).toEqual({ code: 0, stderr: '' });
    });

    it('ends a command: killed, cancelled, or not there', async () => {
      const host = await open();
      const killed = await host.spawn(['sh', '-c', 'exec cat /dev/zero']);
      killed.kill();
      killed.kill();
      expect(await failure(killed.ended)).toMatchObject({ kind: 'io' });
      const stop = new AbortController();
      const sleeping = await host.spawn(['sleep', '1000'], { signal: stop.signal });
      stop.abort();
      expect(await failure(sleeping.ended)).toMatchObject({ kind: 'cancelled' });
      const none = host.spawn(['no-such-command-here']).then((running) => running.ended);
      expect(await failure(none)).toMatchObject({ kind: 'not-found' });
      expect(await failure(host.spawn(['true'], { signal: stop.signal }))).toMatchObject({
        kind: 'cancelled',
      });
    });

    it('tells what is there', async () => {
      const host = await open();
      const folder = await tempFolder();
      for (const odd of oddNames) await writeFile(join(folder, odd), odd);
      await mkdir(join(folder, 'folder'));
      await symlink('-rf', join(folder, 'link'));
      const listed = await host.files.list(folder);
      expect(listed.map((f) => f.path)).toEqual(
        [...oddNames, 'folder', 'link'].sort().map((n) => join(folder, n)),
      );
      expect(listed.find((f) => f.path.endsWith('/link'))).toMatchObject({ kind: 'file', size: 3 });
      expect(await host.files.realpath(join(folder, 'link'))).toBe(join(folder, '-rf'));
      expect(await host.files.stat(join(folder, 'none'))).toBeUndefined();
      expect(await host.files.stat(join(folder, 'folder'))).toMatchObject({ kind: 'folder' });
      expect((await host.files.stat('/dev/null'))?.kind).toBe('other');
      for (const odd of oddNames) {
        const path = join(folder, odd);
        const { size, mtimeMs } = await stat(path);
        expect(await host.files.stat(path)).toMatchObject({
          path,
          kind: 'file',
          size,
          modifiedAt: Math.floor(mtimeMs / 1000),
        });
        expect(await host.files.text(path)).toBe(odd);
      }
      expect(await failure(host.files.text(join(folder, '-rf'), { maximumBytes: 2 }))).toMatchObject({
        kind: 'unsupported',
      });
      expect(await failure(host.files.list(join(folder, 'none')))).toMatchObject({ kind: 'not-found' });
    });

    it('reads at random, and knows what holds data', async () => {
      const host = await open();
      const path = join(await tempFolder(), oddNames[0]!);
      const bytes = Buffer.alloc(24 * MiB + 777);
      bytes.set(randomBytes(3 * MiB + 1, 1), 4 * MiB - 3);
      bytes.set(randomBytes(MiB, 2), bytes.length - MiB);
      await writeSparse(path, bytes);
      const source = await host.files.open(path);
      expect(source).toMatchObject({ size: bytes.length, access: 'random' });
      const next = randomNumbers(7);
      const lengths = [0, 1, 511, 65_536, 65_537, MiB, 3 * MiB + 7];
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          const length = lengths[i % lengths.length]!;
          const offset = Math.floor(next() * (bytes.length - length));
          const got = await readBytes(source, offset, length);
          if (!got.equals(bytes.subarray(offset, offset + length)))
            throw new Error(`${length} at ${offset} differ`);
        }),
      );
      // In order, as a conversion does.
      for (let at = 0; at < bytes.length; at += MiB) {
        const got = await readBytes(source, at, Math.min(MiB, bytes.length - at));
        if (!got.equals(bytes.subarray(at, at + MiB))) throw new Error(`at ${at} differ`);
      }
      expect(await failure(readBytes(source, bytes.length - 5, 6))).toMatchObject({ kind: 'corrupt' });
      if (extents) {
        const found = (await source.extents?.(0, bytes.length)) ?? [];
        expect(found.reduce((sum, e) => sum + e.length, 0)).toBe(bytes.length);
        expect(bytesOf(found, 'data')).toBeLessThan(5 * MiB);
        expect(bytesOf(found, 'data')).toBeGreaterThanOrEqual(4 * MiB + 1);
        const part = (await source.extents?.(MiB + 1, 5 * MiB)) ?? [];
        expect(part[0]).toMatchObject({ offset: MiB + 1 });
        expect(part.at(-1)!.offset + part.at(-1)!.length).toBe(5 * MiB);
      }
      await source.close();
      await source.close();
      if (helper !== undefined) expect(host.describe?.()).toContain(helper);
    });

    it('says what can not be read, and stops when told to', async () => {
      const host = await open();
      const folder = await tempFolder();
      const path = join(folder, 'x');
      expect(await failure(host.files.open(path))).toMatchObject({ kind: 'not-found' });
      expect(await failure(host.files.open(folder))).toMatchObject({ kind: 'unsupported' });
      expect(await failure(host.files.open('/dev/null'))).toMatchObject({ kind: 'unsupported' });
      await writeFile(path, randomBytes(4 * MiB, 5));
      const source = await host.files.open(path);
      const stopped = AbortSignal.abort();
      expect(await failure(readBytes(source, 0, 4 * MiB, stopped))).toMatchObject({ kind: 'cancelled' });
      await truncate(path, MiB);
      expect(await failure(readBytes(source, 0, 4 * MiB))).toMatchObject({ kind: 'io' });
      await source.close();
    });

    it('writes: sparse, in any order, only where nothing is', async () => {
      const host = await open();
      const folder = await tempFolder();
      for (const odd of oddNames) {
        const path = join(folder, odd);
        const sink = await host.files.create(path);
        await sink.write(Buffer.from(odd), 0);
        await sink.finish(Buffer.byteLength(odd));
        expect(await readFile(path, 'utf8')).toBe(odd);
      }
      const path = join(folder, 'disk');
      const sink = await host.files.create(path, { mode: 0o600 });
      const bytes = randomBytes(3 * MiB + 5, 9);
      const pieces = [2 * MiB, 0, 100, MiB + 7, MiB];
      const cuts = [...pieces, bytes.length].sort((a, b) => a - b);
      await Promise.all(
        pieces.map((at) => sink.write(bytes.subarray(at, cuts[cuts.indexOf(at) + 1]), 10 * MiB + at)),
      );
      await sink.finish(64 * MiB, 1_600_000_000);
      const written = await readFile(path);
      expect(written.length).toBe(64 * MiB);
      expect(written.subarray(10 * MiB, 10 * MiB + bytes.length).equals(bytes)).toBe(true);
      const stats = await stat(path);
      expect(stats.mtimeMs).toBe(1_600_000_000_000);
      expect(stats.mode & 0o777).toBe(0o600);
      expect(stats.blocks * 512).toBeLessThan(5 * MiB);
      expect(await failure(host.files.create(path))).toMatchObject({ kind: 'conflict' });
      expect(await failure(host.files.create(join(folder, 'none/x')))).toMatchObject({ kind: 'not-found' });
      const left = await host.files.create(join(folder, 'left'));
      await left.write(bytes.subarray(0, 1000), 0);
      await left.abort();
      expect((await host.files.stat(join(folder, 'left')))?.size).toBeLessThanOrEqual(1000);
    });

    it('makes folders, moves and removes', async () => {
      const host = await open();
      const folder = await tempFolder();
      const deep = join(folder, 'a/b/c');
      await host.files.makeFolder(deep);
      await host.files.makeFolder(deep);
      await writeFile(join(deep, '-x'), '1');
      await writeFile(join(deep, 'y'), '2');
      await host.files.rename(join(deep, '-x'), join(deep, 'y'));
      expect(await host.files.text(join(deep, 'y'))).toBe('1');
      await host.files.remove(join(deep, 'y'));
      await host.files.remove(join(deep, 'y'));
      expect(await host.files.list(deep)).toEqual([]);
      expect(await failure(host.files.rename(join(deep, 'y'), join(deep, 'z')))).toMatchObject({
        kind: 'not-found',
      });
    });
  });
}

async function writeSparse(path: string, bytes: Buffer): Promise<void> {
  const { open } = await import('node:fs/promises');
  const handle = await open(path, 'w');
  const zeros = Buffer.alloc(64 * KiB);
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const piece = bytes.subarray(at, at + zeros.length);
    if (!piece.equals(zeros.subarray(0, piece.length))) await handle.write(piece, 0, piece.length, at);
  }
  await handle.truncate(bytes.length);
  await handle.close();
}
