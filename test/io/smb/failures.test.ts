import { constants } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failureIn } from '../../../src/io/smb/failures.ts';
import { smbFiles } from '../../../src/io/smb/smb-files.ts';
import { SmbLink } from '../../../src/io/smb/smb-link.ts';

const { errno } = constants;
const kindOf = (number: number) => failureIn({ errno: number }, '//h/s/f')?.kind;

describe('what goes wrong by SMB', () => {
  afterEach(() => void vi.unstubAllEnvs());

  it('is told in our words', () => {
    expect(failureIn({ file: 1 }, 'x')).toBeUndefined();
    expect(kindOf(errno.ENOENT)).toBe('not-found');
    expect(kindOf(errno.EACCES)).toBe('auth');
    expect(kindOf(errno.ENOSPC)).toBe('no-space');
    expect(kindOf(errno.ECONNRESET)).toBe('unreachable');
    expect(failureIn({ errno: 12_345 }, '//h/s/f')).toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/12345/),
    });
  });

  it('where the library is not there, what to install is said', async () => {
    expect(failureIn({ missing: 1 }, 'x')).toMatchObject({
      kind: 'unsupported',
      hint: expect.stringMatching(/apt install libsmbclient/),
    });
    vi.stubEnv('VMFERRY_NATIVE', 'off');
    const link = new SmbLink({ user: 'u', password: async () => 'p' });
    await expect(smbFiles(link).open('//h/s/f')).rejects.toMatchObject({ kind: 'unsupported' });
    await link.close();
  });

  it('a password that the library would cut is refused', async () => {
    for (const password of ['x'.repeat(256), 'a\0b']) {
      const link = new SmbLink({ user: 'u', password: async () => password });
      await expect(smbFiles(link).stat('//h/s/f')).rejects.toMatchObject({ kind: 'usage' });
      await link.close();
    }
  });
});
