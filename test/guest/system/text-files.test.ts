import { describe, expect, it } from 'vitest';
import { elfArchitecture } from '../../../src/guest/system/elf.ts';
import {
  firstLine,
  kernelVersions,
  parseFstab,
  parseOsRelease,
} from '../../../src/guest/system/text-files.ts';
import { guidAt, plainText, serialAt, uuidAt } from '../../../src/guest/text.ts';
import { guidBytes } from '../disks.ts';

describe('text files of a system', () => {
  it('reads os-release with each kind of quotes', () => {
    const text = '# c\nNAME="A \\"B\\" \\$C"\nID=debian\nVERSION=\'12 (x)\'\nEMPTY=""\n broken\nlower=1\n';
    expect(parseOsRelease(text)).toEqual({ NAME: 'A "B" $C', ID: 'debian', VERSION: '12 (x)', EMPTY: '' });
  });

  it('reads fstab', () => {
    const text = '# c\n\nUUID=1 / ext4 ro 0 1\n/dev/sda2\tnone\tswap\n//h/s /mnt/a\\040b cifs\nonly\n';
    expect(parseFstab(text)).toEqual([
      { device: 'UUID=1', mountPoint: '/', kind: 'ext4', options: 'ro' },
      { device: '/dev/sda2', mountPoint: 'none', kind: 'swap', options: 'defaults' },
      { device: '//h/s', mountPoint: '/mnt/a b', kind: 'cifs', options: 'defaults' },
    ]);
  });

  it('sorts kernels by their numbers', () => {
    expect(
      kernelVersions(['vmlinuz-6.1.0-10', 'grub', 'vmlinuz-6.1.0-9', 'vmlinux-5.4', 'initrd.img-6']),
    ).toEqual(['5.4', '6.1.0-9', '6.1.0-10']);
  });

  it('takes the first line that says something', () => {
    expect(firstLine('\n# no\n  host  \nother')).toBe('host');
    expect(firstLine('')).toBeUndefined();
  });

  it('never hands control characters to a terminal', () => {
    expect(plainText('a\x1b[31mb\x07\u202ec\n')).toBe('a[31mbc');
    expect(plainText('x'.repeat(5000)).length).toBe(255);
  });

  it('tells the architecture of a program', () => {
    const elf = (data: number, low: number, high: number) =>
      Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, low, high]);
    expect(elfArchitecture(elf(1, 62, 0))).toBe('x86_64');
    expect(elfArchitecture(elf(1, 183, 0))).toBe('aarch64');
    expect(elfArchitecture(elf(2, 0, 22))).toBe('s390x');
    expect(elfArchitecture(elf(1, 21, 0))).toBe('ppc64le');
    expect(elfArchitecture(elf(2, 0, 21))).toBe('ppc64');
    expect(elfArchitecture(Buffer.from('#!/bin/sh\n# a script, padded'))).toBeUndefined();
    expect(elfArchitecture(Buffer.alloc(0))).toBeUndefined();
  });

  it('writes identifiers as Linux does', () => {
    const guid = '00112233-4455-6677-8899-aabbccddeeff';
    expect(guidAt(guidBytes(guid), 0)).toBe(guid);
    expect(uuidAt(Buffer.from(guid.replaceAll('-', ''), 'hex'), 0)).toBe(guid);
    expect(uuidAt(Buffer.alloc(16), 0)).toBeUndefined();
    expect(serialAt(Buffer.from([0xcd, 0xab, 0x34, 0x12]), 0, 4)).toBe('1234-ABCD');
  });
});
