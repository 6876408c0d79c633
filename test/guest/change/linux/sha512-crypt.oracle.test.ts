import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { sha512Crypt } from '../../../../src/guest/change/linux/additions/sha512-crypt.ts';
import { describeWith } from '../../../oracles/requires.ts';

describeWith(['openssl'], 'SHA-512 crypt beside openssl', () => {
  const passwords = [
    'a',
    'ünïcode €',
    ...[63, 64, 65, 127, 128, 200].map((n) => 'xyz'.repeat(n).slice(0, n)),
  ];
  it.each(passwords)('%j', (password) => {
    const run = spawnSync('openssl', ['passwd', '-6', '-salt', 'aB./9', '-stdin'], {
      input: `${password}\n`,
    });
    expect(sha512Crypt(password, 'aB./9')).toBe(run.stdout.toString().trim());
  });
});
