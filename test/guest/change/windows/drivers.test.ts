import { describe, expect, it } from 'vitest';
import type { WindowsRelease } from '../../../../src/guest/change/windows/context.ts';
import type { DriverFile } from '../../../../src/guest/change/windows/driver-folder.ts';
import { setsOf } from '../../../../src/guest/change/windows/driver-sets.ts';
import { runner, runnerCommand } from '../../../../src/guest/change/windows/first-boot-scripts.ts';
import { infVersion, versionBlob } from '../../../../src/guest/change/windows/inf.ts';
import { driverFolders } from '../../../../src/guest/change/windows/release.ts';

const release = (given: Partial<WindowsRelease>): WindowsRelease => ({
  ...{ major: 10, minor: 0, build: 19045, isServer: false, architecture: 'amd64' },
  ...given,
});

describe('the folders of a release', () => {
  it.each([
    [{ build: 22631 }, ['w11', 'w10']],
    [{}, ['w10']],
    [{ build: 20348, isServer: true }, ['2k22', '2k19', '2k16', 'w10']],
    [{ build: 26100, isServer: true }, ['2k25', '2k22', '2k19', '2k16', 'w10']],
    [{ major: 6, minor: 1, isServer: true }, ['2k8R2', 'w7']],
    [{ major: 7 }, []],
  ])('%j', (given, folders) => expect(driverFolders(release(given))).toEqual(folders));
});

describe('drivers of a folder', () => {
  const files = (...paths: string[]) => paths.map((path) => ({ path }) as DriverFile);

  it('are those of the release and architecture, whole, without what is for debugging', () => {
    const all = files(
      ...['/NetKVM/w10/amd64/netkvm.inf', '/NetKVM/w10/amd64/netkvm.sys', '/NetKVM/w10/amd64/netkvm.pdb'],
      ...[
        '/NetKVM/w11/ARM64/netkvm.inf',
        '/NetKVM/w7/amd64/netkvm.inf',
        '/other/Other.inf',
        '/other/x86/o.inf',
      ],
    );
    expect(setsOf({ name: 'x', files: all }, release({ build: 22631 }))).toMatchObject([
      {
        name: 'netkvm',
        files: [{ path: '/NetKVM/w10/amd64/netkvm.inf' }, { path: '/NetKVM/w10/amd64/netkvm.sys' }],
      },
      { name: 'other', files: [{ path: '/other/Other.inf' }] },
    ]);
  });
});

describe('an .inf', () => {
  const text =
    '; x\r\n[version]\r\nClassGUID = {4D36E972-E325-11CE-BFC1-08002BE10318}\r\nDriverVer=1/2/2020,1.2\r\n[A]\r\n';
  it('says its class and version, in UTF-16 as well', () => {
    for (const bytes of [Buffer.from(text), Buffer.from(`\uFEFF${text}`, 'utf16le')])
      expect(infVersion(bytes, 'x')).toEqual({
        classGuid: '{4d36e972-e325-11ce-bfc1-08002be10318}',
        ...{ date: Date.UTC(2020, 0, 2), version: [1, 2, 0, 0] },
      });
    expect(versionBlob(infVersion(Buffer.from(text), 'x')).toString('hex', 32)).toBe(
      '00000000020001000000000000000000',
    );
  });

  it.each([
    '',
    '[Version]',
    text.replace('1.2', '1.99999'),
    text.replace('[version]', '[other]'),
    '['.repeat(9999),
  ])('%# is refused', (broken) => {
    expect(() => infVersion(Buffer.from(broken), 'x')).toThrow(expect.objectContaining({ kind: 'corrupt' }));
  });
});

it('what starts the first tasks is one line, and ends by itself', () => {
  expect(runnerCommand).toMatch(
    /cmd\.exe \/c start "" \/b .*powershell\.exe .*'%SystemRoot%\\vmferry\\run\.ps1'\)\)"$/,
  );
  expect(runner).toMatch(/if \(\$starts -gt 3\) \{ Remove-Hook; exit \}/);
});
