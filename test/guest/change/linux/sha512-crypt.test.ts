import { describe, expect, it } from 'vitest';
import { sha512Crypt } from '../../../../src/guest/change/linux/additions/sha512-crypt.ts';

describe('SHA-512 crypt', () => {
  it('gives the example of the specification', () => {
    expect(sha512Crypt('Hello world!', 'saltstring')).toBe(
      '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    );
  });

  it('takes a new salt each time', () => {
    const [one, other] = [sha512Crypt('x'), sha512Crypt('x')];
    expect(one).toMatch(/^\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}$/);
    expect(one).not.toBe(other);
  });
});
