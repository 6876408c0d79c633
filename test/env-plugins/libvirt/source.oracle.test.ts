import { expect, it } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';

describeWith(libvirtdTools, 'machines of libvirt', () => {
  const libvirtd = useLibvirtd();
  it('answers', async () => {
    expect(await libvirtd().virsh('list', '--all', '--uuid')).toBe('');
  });
});
