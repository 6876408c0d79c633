/**
 * A Debian from VMware (PVSCSI, vmxnet3, everything named by /dev/sda and ens192) does not start on other hardware; what
 * it is changed to does, with its network up under the old names and addresses.
 */
import { expect, it } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { type DebianGuest, debianGuest, debianGuestTools } from '../../servers/debian-guest.ts';
import { startGuest } from '../../servers/running-guest.ts';
import { carry } from './carried.ts';

const minutes = 60_000;
const macs = ['52:54:00:12:34:01', '52:54:00:12:34:02'];
const was = macs.map((mac) => ({ mac, model: 'vmxnet3' }));

describeWith(debianGuestTools, 'a Debian of VMware carried to other hardware', () => {
  let guest: DebianGuest;
  it('is made', { timeout: 8 * minutes }, async () => {
    guest = await debianGuest();
  });

  it('does not find its root as it is: virtio', { timeout: 4 * minutes }, async () => {
    const running = await startGuest(guest.bios, { bus: 'virtio' });
    expect(await running.waitFor(/\(initramfs\)|login:/)).toMatch(/ALERT! +\/dev\/sda1 does not exist/);
  });

  it.for([
    ['bios', 'virtio', 'virtio-net-pci', 'virtio'],
    ['bios', 'sata', 'e1000', 'e1000'],
    ['uefi', 'virtio', 'virtio-net-pci', 'virtio'],
  ] as const)(
    'starts when it is changed: %s, %s, %s',
    { timeout: 5 * minutes },
    async ([firmware, bus, nicModel, model]) => {
      const changed = await carry(guest[firmware], {
        hardware: {
          disks: [{ bus }],
          nics: macs.map((mac) => ({ mac, model })),
          firmware: { kind: firmware },
        },
        nics: was,
      });
      expect(changed.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
      const running = await startGuest(changed.uri, { bus, nicModel, macs, firmware });
      await running.waitFor(/carried login: /);
      running.type('root\n');
      await running.waitFor(/root@carried:~# /);
      const network = await running.ask('ip -br addr');
      expect(network).toMatch(/^ens192 +UP +10\.9\.8\.7\/24/m);
      expect(network).toMatch(/^ens224 +UP +10\.9\.9\.7\/24/m);
      expect(await running.ask('findmnt -no SOURCE,TARGET -t ext4,vfat')).toMatch(
        bus === 'virtio' ? /^\/dev\/vda\d +\/$/m : /^\/dev\/sda1 +\/$/m,
      );
    },
  );
});
