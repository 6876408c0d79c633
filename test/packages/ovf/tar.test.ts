import { describe, expect, it } from 'vitest';
import { type ByteSource, checkRange, memorySource } from '../../../src/io/byte-source.ts';
import { readTarIndex } from '../../../src/packages/ovf/tar.ts';
import { encodeTarHeader } from '../../../src/packages/ovf/tar-header.ts';

const member = (name: string, bytes: Buffer) => [
  encodeTarHeader(name, bytes.length, 0),
  bytes,
  Buffer.alloc((512 - (bytes.length % 512)) % 512),
];
const end = Buffer.alloc(1024);
const archive = (...parts: Buffer[]) => memorySource(Buffer.concat(parts), 'x.ova');

/** A header with its type changed and its checksum put right. */
function ofType(header: Buffer, type: string): Buffer {
  header.write(type, 156, 'latin1');
  header.fill(0x20, 148, 156);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

describe('readTarIndex', () => {
  it('finds members by seeking, one read for small neighbours', async () => {
    const source = archive(
      ...member('./a.ovf', Buffer.from('hello')),
      ...member('b', Buffer.alloc(1024, 1)),
      end,
    );
    let reads = 0;
    const counting = {
      ...source,
      read(...args: Parameters<ByteSource['read']>) {
        reads++;
        return source.read(...args);
      },
    };
    const { members, findings } = await readTarIndex(counting);
    expect(members).toEqual([
      { name: 'a.ovf', offset: 512, size: 5 },
      { name: 'b', offset: 1536, size: 1024 },
    ]);
    expect(findings).toEqual([]);
    expect(reads).toBe(1);
  });

  it('reads members larger than 8 GiB, and none of their bytes', async () => {
    const size = 20 * 2 ** 30 + 7;
    const parts = new Map<number, Buffer>();
    parts.set(0, encodeTarHeader('big.vmdk', size, 0));
    parts.set(512 + Math.ceil(size / 512) * 512, Buffer.concat(member('m.mf', Buffer.from('x'))));
    const total = 512 + Math.ceil(size / 512) * 512 + 1024 + 1024;
    let bytesRead = 0;
    const source: ByteSource = {
      name: 'big.ova',
      size: total,
      access: 'random',
      async read(target, offset) {
        checkRange(source, offset, target.length);
        bytesRead += target.length;
        target.fill(0);
        for (const [at, bytes] of parts) {
          for (let i = Math.max(at, offset); i < Math.min(at + bytes.length, offset + target.length); i++) {
            target[i - offset] = bytes[i - at]!;
          }
        }
      },
      close: async () => undefined,
    };
    const { members } = await readTarIndex(source);
    expect(members.map((m) => [m.name, m.size])).toEqual([
      ['big.vmdk', size],
      ['m.mf', 1],
    ]);
    expect(bytesRead).toBeLessThan(64 * 1024);
  });

  it('takes an archive without its end mark, with a finding', async () => {
    const { members, findings } = await readTarIndex(archive(...member('a', Buffer.from('x'))));
    expect(members).toHaveLength(1);
    expect(findings.map((f) => f.rule)).toEqual(['ova.no-end-mark']);
  });

  const refused: [string, Buffer[], string][] = [
    ['a name that climbs', [...member('a/../../b', Buffer.from('x')), end], 'corrupt'],
    ['an absolute name', [...member('/etc/passwd', Buffer.from('x')), end], 'corrupt'],
    ['a drive letter', [...member('c:\\x', Buffer.from('x')), end], 'corrupt'],
    [
      'two members of one name',
      [...member('a', Buffer.from('x')), ...member('./a', Buffer.from('y')), end],
      'corrupt',
    ],
    ['a member past the end', [encodeTarHeader('a', 5000, 0), end], 'corrupt'],
    ['a symbolic link', [ofType(encodeTarHeader('a', 0, 0), '2'), end], 'unsupported'],
    ['a hard link', [ofType(encodeTarHeader('a', 0, 0), '1'), end], 'unsupported'],
    ['a device', [ofType(encodeTarHeader('a', 0, 0), '3'), end], 'unsupported'],
    ['a sparse member', [ofType(encodeTarHeader('a', 0, 0), 'S'), end], 'unsupported'],
    [
      'a wrong checksum',
      [Buffer.concat([Buffer.from('z'), encodeTarHeader('a', 0, 0).subarray(1)]), end],
      'corrupt',
    ],
    ['no member at all', [end], 'corrupt'],
    ['a cut header', [...member('a', Buffer.from('x')), Buffer.alloc(100, 1)], 'corrupt'],
    ['a pax size that is none', [...paxed('size=-5'), end], 'corrupt'],
    [
      'a pax record of impossible length',
      [ofType(encodeTarHeader('p', 8, 0), 'x'), pad('99 a=bb\n'), end],
      'corrupt',
    ],
  ];
  it.each(refused)('refuses %s', async (_name, parts, kind) => {
    await expect(readTarIndex(archive(...parts))).rejects.toMatchObject({ name: 'AppError', kind });
  });
});

function pad(text: string): Buffer {
  const block = Buffer.alloc(512);
  block.write(text);
  return block;
}
function paxed(record: string): Buffer[] {
  const text = `${record.length + 4} ${record}\n`;
  return [ofType(encodeTarHeader('p', text.length, 0), 'x'), pad(text), ...member('a', Buffer.from('x'))];
}
