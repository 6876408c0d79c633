import { describe, expect, it } from 'vitest';
import type { EngineVolume } from '../../../../src/guest/change/engine.ts';
import { commandLine, quoted } from '../../../../src/guest/change/engines/libguestfs/command-line.ts';
import { libguestfs } from '../../../../src/guest/change/engines/libguestfs/engine.ts';
import { registryRefusal, registryText } from '../../../../src/guest/change/engines/libguestfs/registry.ts';
import { failedIn } from '../../../../src/guest/change/engines/libguestfs/session.ts';

describe('commands of guestfish', () => {
  it('quote every byte that could mean something', () => {
    expect(quoted('/etc/fstab')).toBe('"/etc/fstab"');
    expect(quoted('a"b\\c\n$x|ä\udce4')).toBe('"a\\x22b\\x5cc\\x0a\\x24x\\x7c\\xc3\\xa4\\xe4"');
    expect(() => quoted('a\0')).toThrow(/NUL/);
    expect(commandLine('add', [''], { format: 'raw' })).toBe('add "" format:raw');
    expect(() => commandLine('add', [''], { server: 'unix:/a b' })).toThrow(/holds/);
  });

  it('fail in their own words', () => {
    const said = 'libguestfs: trace: x\n*stdin*:7: libguestfs: error: mount: /dev/sda: bad superblock\n';
    expect(failedIn(said)).toMatchObject({
      kind: 'io',
      message: 'libguestfs has failed: mount: /dev/sda: bad superblock',
    });
    expect(failedIn('libguestfs: error: upload: No space left on device').kind).toBe('no-space');
    expect(failedIn('').message).toBe('libguestfs has failed: it has ended by itself');
  });
});

it('libguestfs writes every kind of FAT, also where it alone is wanted', async () => {
  const refusal = (kind: string) =>
    libguestfs.refuses({ kind } as EngineVolume, [], new AbortController().signal);
  for (const kind of ['fat12', 'fat16', 'fat32', 'ext4', 'ntfs']) expect(await refusal(kind)).toBeUndefined();
  expect(await refusal('ufs')).toBe('it is not used for ufs');
});

describe('registry edits', () => {
  const at = { kind: 'registry', hive: 'SYSTEM' } as const;

  it('become text with the parents of each key', () => {
    const text = registryText([
      { ...at, key: 'A\\B', name: 'x"y', value: { type: 'sz', data: 'é' } },
      { ...at, key: 'A', name: '', value: { type: 'dword', data: 258 } },
      { ...at, key: 'A', name: 'old' },
      { ...at, key: 'C' },
    ]);
    expect(
      text
        .split('\n\n')
        .slice(1)
        .map((part) => part.replaceAll('HKEY_LOCAL_MACHINE\\HIVE\\', '')),
    ).toEqual([
      '[A]',
      '[A\\B]\n"x\\"y"=hex(1):e9,00,00,00',
      '[A]\n@=hex(4):02,01,00,00',
      '[A]\n"old"=-',
      '[-C]\n',
    ]);
  });

  it('are refused with names that hivexregedit can not take', () => {
    expect(registryRefusal([{ ...at, key: 'Ä' }])).toMatch(/ASCII/);
    expect(registryRefusal([{ ...at, key: 'A\n[B' }])).toMatch(/ASCII/);
  });
});
