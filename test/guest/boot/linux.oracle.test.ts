/**
 * A Debian from VMware (PVSCSI, vmxnet3, everything named by /dev/sda and ens192) does not start on other hardware; what
 * it is changed to does, with its network up under the old names and addresses.
 */
import { expect, it } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { type DebianGuest, debianGuest, debianGuestTools } from '../../servers/debian-guest.ts';
import { type GuestHardware, startGuest } from '../../servers/running-guest.ts';
import { bareRootTests } from './bare-root.ts';
import { carry } from './carried.ts';

const minutes = 60_000;
const macs = ['52:54:00:12:34:01', '52:54:00:12:34:02'];
const was = macs.map((mac) => ({ mac, model: 'vmxnet3' }));

describeWith(debianGuestTools, 'a Debian of VMware carried to other hardware', () => {
  let guest: DebianGuest;
  it('is made', { timeout: 8 * minutes }, async () => {
    guest = await debianGuest();
  });

  // Two at once: each keeps one processor busy.
  it('virtio: it finds no root as it is, and starts when it is changed', {
    timeout: 5 * minutes,
  }, async () => {
    await Promise.all([
      notStarted({ bus: 'virtio' }, /ALERT! +\/dev\/sda1 does not exist/),
      starts({ bus: 'virtio', nicModel: 'virtio-net-pci', firmware: 'bios' }, 'virtio', '/dev/vda1'),
    ]);
  });

  it('SATA with e1000; UEFI, which finds no loader as it is', { timeout: 5 * minutes }, async () => {
    await Promise.all([
      starts({ bus: 'sata', nicModel: 'e1000', firmware: 'bios' }, 'e1000', '/dev/sda1'),
      notStarted(
        { bus: 'virtio', firmware: 'uefi' },
        /EFI Internal Shell|No bootable|not find|failed to load/i,
      ).then(() =>
        starts({ bus: 'virtio', nicModel: 'virtio-net-pci', firmware: 'uefi' }, 'virtio', '/dev/vda2'),
      ),
    ]);
  });

  async function notStarted(hardware: GuestHardware, why: RegExp): Promise<void> {
    const running = await startGuest(guest[hardware.firmware ?? 'bios'], hardware);
    await expect(running.waitFor(new RegExp(`${why.source}|login:`, 'i'))).resolves.toMatch(why);
    await running.stop();
  }

  async function starts(hardware: GuestHardware, model: string, root: string): Promise<void> {
    const { bus, firmware = 'bios' } = hardware;
    const changed = await carry(guest[firmware], {
      hardware: {
        disks: [{ bus: bus === 'pvscsi' ? 'scsi' : bus }],
        nics: macs.map((mac) => ({ mac, model })),
        firmware: { kind: firmware },
      },
      nics: was,
    });
    expect(changed.findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    const running = await startGuest(changed.uri, { ...hardware, macs });
    await running.waitFor(/carried login: /);
    running.type('root\n');
    await running.waitFor(/root@carried:~# /);
    const network = await running.ask('ip -br addr');
    expect(network).toMatch(/^ens192 +UP +10\.9\.8\.7\/24/m);
    expect(network).toMatch(/^ens224 +UP +10\.9\.9\.7\/24/m);
    expect(await running.ask('findmnt -no SOURCE /')).toContain(root);
    await running.stop();
  }
});

bareRootTests();
