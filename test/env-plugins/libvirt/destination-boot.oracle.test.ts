import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Machine } from '../../../src/model/machine.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';
import { serialConsole } from '../../servers/serial-console.ts';
import { tinyGuest, tinyGuestTools } from '../../servers/tiny-guest.ts';
import { tempFolder } from '../../temp.ts';
import { plainUserHost, testPool } from './destination-pool.ts';
import { convertInto, machineOf, requestOf } from './destination-run.ts';

const template = '/usr/share/OVMF/OVMF_VARS_4M.fd';

describeWith(
  [...libvirtdTools, ...tinyGuestTools, 'setpriv'],
  'a machine delivered to libvirt and started',
  () => {
    const libvirtd = useLibvirtd();
    const small: Partial<Machine> = {
      memoryBytes: 320 * 2 ** 20,
      processors: { count: 2 },
      nics: [{ network: 'user', model: 'e1000' }],
    };

    for (const [firmware, bus, format, host] of [
      ['bios', 'sata', 'qcow2', undefined],
      ['bios', 'ide', 'raw', plainUserHost],
      ['bios', 'virtio', 'qcow2', plainUserHost],
      ['uefi', 'sata', 'qcow2', undefined],
    ] as const) {
      it(`asks for a login: ${firmware}, ${bus}, ${format}`, async () => {
        const pool = await testPool(libvirtd(), host === undefined ? {} : { host: host() });
        const guest = await tinyGuest();
        const { started, warning } = await convertInto(pool, guest, 'guest', {
          format,
          start: true,
          machine: {
            ...small,
            firmware: { kind: firmware },
            disks: [{ id: 'disk0', name: 'disk', files: [guest], bus, bootable: true }],
          },
        });
        expect(warning).toBeUndefined();
        expect(started).toBe('running');
        const console = await serialConsole(libvirtd(), 'guest');
        await console.type('\n');
        const said = await console.waitFor(/tiny login:/, 120);
        expect(said).toContain(`guest: firmware=${firmware} cpus=2`);
      });
    }

    it('boots with the variables of its firmware that came along', async () => {
      const pool = await testPool(libvirtd());
      const variables = await readFile(template);
      const machine = machineOf('guest', { ...small, firmware: { kind: 'uefi' } });
      const request = requestOf(pool, machine, { nvram: variables });
      const destination = pool.session.destination!;
      expect(await destination.check(request, ['guest.raw'], 1)).toEqual([]);
      const delivery = await destination.begin(request);
      const bytes = await readFile(await tinyGuest());
      const sink = await delivery.sink({ name: 'guest.raw', size: bytes.length });
      await sink.write(bytes, 0);
      await sink.finish(bytes.length);
      const places = await delivery.commit();
      const nvram = join(pool.folder, 'guest_VARS.fd');
      expect(places).toContain(nvram);
      expect(await readFile(nvram)).toEqual(variables);
      expect(await delivery.start!(request.signal)).toBe('running');
      const console = await serialConsole(libvirtd(), 'guest');
      await console.type('\n');
      await console.waitFor(/tiny login:/, 120);
      // The firmware has written what it found, into this very file.
      expect((await readFile(nvram)).equals(variables)).toBe(false);
    });

    it('says in words why it could not be started, and is there still', async () => {
      const pool = await testPool(libvirtd());
      const { started, warning } = await convertInto(pool, await smallDisk(), 'guest', {
        format: 'raw',
        start: true,
        machine: { ...small, memoryBytes: 2 ** 50 },
      });
      expect(started).toBeUndefined();
      expect(warning).toMatch(/could not be started: libvirt: .*memory/i);
      expect(await pool.domains()).toEqual(['guest']);
    });

    it('tells when the variables do not fit any firmware there', async () => {
      const pool = await testPool(libvirtd());
      const machine = machineOf('guest', { firmware: { kind: 'uefi' } });
      const request = requestOf(pool, machine, { nvram: Buffer.alloc(1000) });
      const findings = await pool.session.destination!.check(request, [], 1);
      expect(findings.map((f) => f.rule)).toEqual(['firmware.nvram-not-carried']);
    });
  },
);

async function smallDisk(): Promise<string> {
  const path = join(await tempFolder(), 'small.raw');
  await writeFile(path, Buffer.alloc(2 ** 20, 1));
  return path;
}
