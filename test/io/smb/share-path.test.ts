import { describe, expect, it } from 'vitest';
import { serverOf, smbUrl } from '../../../src/io/smb/share-path.ts';

describe('paths on shares', () => {
  it('become addresses in which nothing of a name means more than a name', () => {
    expect(smbUrl('//hv01/D$/VMs/a b.vhdx')).toBe('smb://hv01/D%24/VMs/a%20b.vhdx');
    expect(smbUrl('//hv01.lan/vms')).toBe('smb://hv01.lan/vms');
    expect(smbUrl('//10.0.0.1/C$/ü?#%2e%2e@:x')).toBe('smb://10.0.0.1/C%24/%C3%BC%3F%23%252e%252e%40%3Ax');
    expect(smbUrl('//fe80::1/C$/x')).toBe('smb://[fe80::1]/C%24/x');
    expect(serverOf('//hv01/D$/x')).toBe('hv01');
  });

  it('that are none are refused', () => {
    for (const path of [
      ...['/etc/passwd', '//server', '//user:pw@host/share/x', '//a;b@c/d', '//h/s/../t', '//h/s/a\\b'],
      ...['//h/s/a\nb', '//h/s/a\0', '//h?x/s/f', '//h/s/\ud800'],
    ])
      expect(() => smbUrl(path)).toThrow(expect.objectContaining({ kind: 'unsupported' }));
  });
});
