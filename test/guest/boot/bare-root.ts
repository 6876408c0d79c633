/** A root of User Mode Linux, and one of a container, start as machines of their own with a kernel from here. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { bareRoot, bareRootTools } from '../../servers/bare-root.ts';
import { debianGuest, debianGuestTools } from '../../servers/debian-guest.ts';
import { type GuestHardware, startGuest } from '../../servers/running-guest.ts';
import { tempFolder } from '../../temp.ts';
import { carry } from './carried.ts';

const minutes = 60_000;
const mac = '52:54:00:12:34:01';

async function kernelHere(): Promise<string> {
  const boot = join((await debianGuest()).root, 'boot');
  return join(boot, (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'))!);
}

/** In the file of the others: all need the same Debian, which is made once. */
export function bareRootTests(): void {
  describeWith([...debianGuestTools, ...bareRootTools], 'a bare root filesystem with a kernel given', () => {
    // Two at once: each keeps one processor busy.
    it('of User Mode Linux on virtio, of OpenVZ on SATA: they start with their network', {
      timeout: 10 * minutes,
    }, async () => {
      await Promise.all([
        starts('uml', { bus: 'virtio', nicModel: 'virtio-net-pci' }, 'virtio', /inet addr:10\.9\.8\.7/),
        starts('openvz', { bus: 'sata', nicModel: 'e1000' }, 'e1000', /inet addr:10\.0\.2\.15/),
      ]);
    });
  });
}

async function starts(
  kind: 'uml' | 'openvz',
  hardware: GuestHardware & { bus: 'virtio' | 'sata' },
  model: string,
  address: RegExp,
): Promise<void> {
  const changed = await carry(await bareRoot(await tempFolder(), kind), {
    hardware: { disks: [{ bus: hardware.bus }], nics: [{ mac, model }] },
    nics: [{ mac }],
    table: 'mbr',
    guest: { kernel: { image: await kernelHere() } },
  });
  expect(changed.findings.filter(({ rule }) => !/^guest\.(engine|former-address)$/.test(rule))).toEqual([]);
  const running = await startGuest(changed.uri, { ...hardware, macs: [mac] });
  await running.waitFor(/carried login: /);
  running.type('root\n');
  await running.waitFor(/[#$] $/);
  expect(await running.ask('ifconfig eth0')).toMatch(address);
  expect(await running.ask('cat /proc/mounts')).toMatch(/ \/ ext4 rw/);
  await running.stop();
}
