import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/model/errors.ts';
import { parseDescriptor } from '../../src/packages/ovf/descriptor.ts';
import { randomNumbers } from '../conformance/random.ts';

const parse = (text: string) => parseDescriptor(Buffer.from(text), 'x.ovf');
const envelope = (inner: string) =>
  `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">${inner}</Envelope>`;
const system = '<VirtualSystem ovf:id="x"/>';

describe('hostile descriptors', () => {
  const refused: [string, string, string][] = [
    [
      'an external entity',
      `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${envelope('<Info>&e;</Info>')}`,
      'unsupported',
    ],
    ['an unknown entity', envelope('<Info>&e;</Info>'), 'corrupt'],
    ['a deep nesting', envelope('<a>'.repeat(100) + '</a>'.repeat(100)), 'unsupported'],
    ['an unclosed tag', envelope('<a>'), 'corrupt'],
    ['an unbound prefix', envelope('<foo:a/>'), 'corrupt'],
    ['a doubled attribute', envelope('<a b="1" b="2"/>'), 'corrupt'],
    ['nothing', '', 'corrupt'],
    ['another language', '<html/>', 'unsupported'],
    ['no machine', envelope(''), 'unsupported'],
    [
      'a file that climbs',
      envelope(`<References><File ovf:id="a" ovf:href="../../etc/shadow"/></References>${system}`),
      'corrupt',
    ],
    [
      'an absolute file',
      envelope(`<References><File ovf:id="a" ovf:href="/etc/shadow"/></References>${system}`),
      'corrupt',
    ],
    [
      'a file elsewhere',
      envelope(`<References><File ovf:id="a" ovf:href="http://x/y"/></References>${system}`),
      'unsupported',
    ],
    [
      'an unknown compression',
      envelope(`<References><File ovf:id="a" ovf:href="y" ovf:compression="lzx"/></References>${system}`),
      'unsupported',
    ],
    [
      'a negative size',
      envelope(`<References><File ovf:id="a" ovf:href="y" ovf:size="-1"/></References>${system}`),
      'corrupt',
    ],
    [
      'a disk of no file',
      envelope(`<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection>${system}`),
      'corrupt',
    ],
    [
      'two disks of one id',
      envelope(`<DiskSection><Disk ovf:diskId="d"/><Disk ovf:diskId="d"/></DiskSection>${system}`),
      'corrupt',
    ],
    [
      'two machines of one id',
      envelope(`<VirtualSystemCollection>${system}${system}</VirtualSystemCollection>`),
      'corrupt',
    ],
  ];
  it.each(refused)('refuses %s', (_name, text, kind) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'AppError', kind }));
  });

  it('refuses more than 16 MiB before it looks at it', () => {
    expect(() => parseDescriptor(Buffer.alloc(16 * 2 ** 20 + 1), 'x.ovf')).toThrow(/at most/);
  });

  it('takes no impossible capacity for a number', () => {
    for (const capacity of ['-1', '1e9', '0x10', '99999999999999999', '$' + '{size}', ' ']) {
      const read = parse(
        envelope(`<DiskSection><Disk ovf:diskId="d" ovf:capacity="${capacity}"/></DiskSection>${system}`),
      );
      expect(read.disks[0]!.capacityBytes).toBeUndefined();
      expect(read.findings.map((f) => f.rule)).toEqual(['ovf.capacity-not-understood']);
    }
  });

  it('gives an AppError or a package for every mutation', async () => {
    const random = randomNumbers(5);
    for (const name of ['vcenter', 'virtualbox', 'xenserver', 'ovirt']) {
      const good = await readFile(new URL(`../fixtures/ovf/${name}.ovf`, import.meta.url));
      for (let i = 0; i < 60; i++) {
        const bad = Buffer.from(good);
        for (let j = 0; j < 1 + i / 20; j++)
          bad[Math.floor(random() * bad.length)] = Math.floor(random() * 256);
        const cut = i % 5 === 0 ? bad.subarray(0, Math.floor(random() * bad.length)) : bad;
        try {
          parseDescriptor(cut, 'x.ovf');
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }
    }
  });
});
