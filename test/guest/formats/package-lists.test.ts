import { expect, it } from 'vitest';
import {
  pacmanPackages,
  readApkInstalled,
  readDpkgStatus,
} from '../../../src/guest/formats/package-lists/stanzas.ts';

it('dpkg', async () => {
  const status = `Package: bash
Status: install ok installed
Architecture: amd64
Description: GNU Bourne Again SHell
 Version: not this one
Version: 5.2.15-2+b2

Package: gone
Status: deinstall ok config-files
Version: 1

Package: last
Status: install ok half-configured
Version: 1:2`;
  expect(await readDpkgStatus(Buffer.from(status))).toEqual([
    { name: 'bash', version: '5.2.15-2+b2', architecture: 'amd64' },
    { name: 'last', version: '1:2' },
  ]);
  expect(await readDpkgStatus(Buffer.from(`Package: ${'x'.repeat(3_000_000)}\nVersion: 1\n`))).toHaveLength(
    1,
  );
});

it('apk and pacman', async () => {
  const installed =
    'C:Q1\nP:busybox\nV:1.36.1-r2\nA:x86_64\nF:bin\nR:busybox\n\nP:musl\nV:1.2.4-r1\nA:x86_64\n';
  expect((await readApkInstalled(Buffer.from(installed))).map((p) => p.name)).toEqual(['busybox', 'musl']);
  expect(pacmanPackages(['gcc-libs-13.2.1-3', 'ALPM_DB_VERSION', 'bash-5.2.026-2'])).toEqual([
    { name: 'gcc-libs', version: '13.2.1-3' },
    { name: 'bash', version: '5.2.026-2' },
  ]);
});
