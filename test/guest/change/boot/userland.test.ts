import { expect, it } from 'vitest';
import { withGetties, withoutVenet, withRoot } from '../../../../src/guest/change/boot/userland.ts';

it('puts the root into fstab, by UUID, whatever it was mounted by', () => {
  expect(withRoot('/dev/ubda / ext3 noatime 0 1\n', 'u', 'ext4')).toBe('UUID=u / ext4 noatime 0 1\n');
  expect(withRoot('none /dev/pts devpts rw 0 0\n', 'u', 'ext4')).toBe(
    'none /dev/pts devpts rw 0 0\nUUID=u / ext4 defaults 0 1\n',
  );
  expect(withRoot('# /dev/ubda / ext4\n/dev/ubdb /home ext4 rw 0 2', 'u', 'ext4')).toBe(
    '# /dev/ubda / ext4\n/dev/ubdb /home ext4 rw 0 2\nUUID=u / ext4 defaults 0 1\n',
  );
});

it('a login on the screen and on the serial port, in the words of each init', () => {
  expect(withGetties('tty0::respawn:/sbin/getty 38400 tty0\n', true)).toBe(
    'tty1::respawn:/sbin/getty 38400 tty1\nttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n',
  );
  expect(withGetties('0:2345:respawn:/sbin/getty 38400 tty0 linux\n', false)).toBe(
    '0:2345:respawn:/sbin/getty 38400 tty1 linux\nS0:2345:respawn:/sbin/getty -L 115200 ttyS0 vt100\n',
  );
  const both = '1:2345:respawn:/sbin/getty 38400 tty1\nS0:2345:respawn:/sbin/getty ttyS0\n';
  expect(withGetties(both, false)).toBe(both);
  expect(withGetties('#1:2345:respawn:/sbin/getty 38400 tty1\n', false)).toContain('\nv1:2345:respawn:');
});

it("leaves out a container's network, with its aliases", () => {
  const lo = 'auto lo\niface lo inet loopback\n';
  expect(withoutVenet(`${lo}\nauto venet0\niface venet0 inet static\n  address 127.0.0.2\n\n${lo}`)).toBe(
    `${lo}\n#auto venet0\n#iface venet0 inet static\n#  address 127.0.0.2\n\n${lo}`,
  );
});
