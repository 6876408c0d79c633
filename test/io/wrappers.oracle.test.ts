/** Compression around files: what the tools pack is read, what is packed here the tools read. */
import { execFile } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { compressedRoom, zstdCompress } from '../../src/codecs/compression.ts';
import { fileSink } from '../../src/io/file-sink.ts';
import { fileSource } from '../../src/io/file-source.ts';
import { packedSink } from '../../src/io/wrappers/packed-sink.ts';
import { type PackedWrapper, packedWrappers, packerFor } from '../../src/io/wrappers/packers.ts';
import { unwrap } from '../../src/io/wrappers/unwrap.ts';
import { type Compression, detectWrapper } from '../../src/io/wrappers/wrapper.ts';
import { AppError } from '../../src/model/errors.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { randomBytes, textBytes } from '../conformance/random.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';

const zstd = (block: Buffer) => zstdCompress(block, Buffer.alloc(compressedRoom(block.length)), 0);
const run = promisify(execFile);
const content = Buffer.concat([
  textBytes(3 * MiB + 17, 1),
  Buffer.alloc(5 * MiB + 3),
  randomBytes(700 * KiB, 2),
  Buffer.alloc(300, 'ab'),
  Buffer.alloc(1000, 7),
  textBytes(10, 3),
]);
const tools: Record<Compression, { tool: string; suffix: string; arguments: string[][] }> = {
  gzip: { tool: 'gzip', suffix: 'gz', arguments: [['-1'], ['-9']] },
  xz: {
    tool: 'xz',
    suffix: 'xz',
    arguments: [['-0'], ['-6', '-T2', '--block-size=1MiB'], ['-2', '-Ccrc32']],
  },
  zstd: { tool: 'zstd', suffix: 'zst', arguments: [['-3'], ['-19'], ['-1', '--no-check'], ['--long=24']] },
  bzip2: { tool: 'bzip2', suffix: 'bz2', arguments: [['-1'], ['-9']] },
  lz4: {
    tool: 'lz4',
    suffix: 'lz4',
    arguments: [['-1'], ['-9', '-BD', '--content-size'], ['-B4', '-BX'], ['-B5D', '--no-frame-crc'], ['-l']],
  },
};

async function unpacked(path: string): Promise<Buffer> {
  const source = await fileSource(path);
  try {
    const wrapper = await detectWrapper(source);
    if (wrapper === undefined) throw new Error('no wrapper seen');
    const parts: Buffer[] = [];
    for await (const bytes of unwrap(source, wrapper)) parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
  } finally {
    await source.close();
  }
}

for (const [wrapper, { tool, suffix, arguments: ways }] of Object.entries(tools)) {
  describeWith([tool], `${wrapper}, packed by ${tool}`, () => {
    for (const [name, bytes] of Object.entries({
      mixed: content,
      tiny: content.subarray(0, 1),
      empty: Buffer.alloc(0),
    })) {
      for (const how of name === 'mixed' ? ways : ways.slice(0, 1)) {
        it(`${name}, ${how.join(' ')}`, async () => {
          const path = join(await tempFolder(), 'a');
          await writeFile(path, bytes);
          await run(tool, ['-q', '-k', ...how, path, ...(tool === 'lz4' ? [`${path}.lz4`] : [])]);
          expect((await unpacked(`${path}.${suffix}`)).equals(bytes)).toBe(true);
        });
      }
    }

    it('two of them, one behind the other; cut short; damaged', async () => {
      const path = join(await tempFolder(), 'a');
      await writeFile(path, content);
      await run(tool, ['-q', '-k', path, ...(tool === 'lz4' ? [`${path}.lz4`] : [])]);
      const packed = await readFile(`${path}.${suffix}`);
      const twice = `${path}.twice`;
      await writeFile(twice, packed);
      await appendFile(twice, packed);
      expect((await unpacked(twice)).equals(Buffer.concat([content, content]))).toBe(true);

      const outcome = async (bytes: Buffer) => {
        await writeFile(`${path}.bad`, bytes);
        return unpacked(`${path}.bad`).then(
          (found) => (found.equals(content) ? 'same' : 'wrong bytes'),
          (error) => (error instanceof AppError ? error.kind : `${error}`),
        );
      };
      for (const missing of [1, 4, 100, 5000, packed.length / 2]) {
        expect(await outcome(packed.subarray(0, packed.length - Math.floor(missing))), `${missing}`).toBe(
          'corrupt',
        );
      }
      const outcomes: string[] = [];
      for (let i = 0; i < 12; i++) {
        const copy = Buffer.from(packed);
        copy[20 + Math.floor(((packed.length - 40) * i) / 12)]! ^= 0x10;
        outcomes.push(await outcome(copy));
      }
      expect(new Set(outcomes)).toEqual(new Set(['corrupt']));
    });
  });
}

describeWith(['gzip', 'xz', 'zstd'], 'packed here, read by the tools', () => {
  async function pack(wrapper: PackedWrapper, path: string, chunks: [number, Buffer][], size: number) {
    const inner = await fileSink(path);
    const sink = packedSink({ ...inner, access: 'forward' }, await packerFor(wrapper, zstd));
    await Promise.all(chunks.map(([offset, bytes]) => sink.write(bytes, offset)));
    await sink.finish(size);
  }

  for (const wrapper of packedWrappers) {
    for (const size of [0, 1, 12 * MiB, 20 * MiB + 5]) {
      it(`${wrapper}, ${size} bytes with gaps`, async () => {
        const path = join(await tempFolder(), `a.${tools[wrapper].suffix}`);
        const chunks = (
          [
            [0, textBytes(300 * KiB, 1)],
            [2 * MiB - 5, randomBytes(2 * MiB, 2)],
            [11 * MiB, textBytes(100, 3)],
          ] as [number, Buffer][]
        ).filter(([offset, bytes]) => offset + bytes.length <= size);
        const expected = Buffer.alloc(size);
        for (const [offset, bytes] of chunks) bytes.copy(expected, offset);
        await pack(wrapper, path, chunks, size);
        await run(tools[wrapper].tool, ['-t', path]);
        const { stdout } = await run(tools[wrapper].tool, ['-dc', path], {
          encoding: 'buffer',
          maxBuffer: 64 * MiB,
        });
        expect(stdout.equals(expected)).toBe(true);
        expect((await unpacked(path)).equals(expected)).toBe(true);
      });
    }
  }
});
