import { describe, expect, it } from 'vitest';
import { surveyMachine } from '../../src/convert/survey.ts';
import type { Session } from '../../src/env-plugins/plugin.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Machine } from '../../src/model/machine.ts';
import { fixture, putMbr } from '../guest/disks.ts';
import { volumeFixture } from '../guest/volume-fixtures.ts';

const never = new AbortController().signal;

/** A machine of disks that lie in memory; `undefined`: one that can't be opened. */
function machineOf(disks: Readonly<Record<string, Buffer | undefined>>, passphrase?: string) {
  const asked: string[] = [];
  const session: Session = {
    source: {
      list: async () => undefined,
      async inspect() {
        return machine;
      },
      async open(_machine, id) {
        const bytes = disks[id];
        if (bytes === undefined) throw new AppError('io', 'the cable is loose');
        const sibling = async () => {
          throw new AppError('not-found', 'none');
        };
        return { source: memorySource(bytes, id), format: 'raw', sibling };
      },
    },
    async secret(key) {
      asked.push(key);
      if (passphrase === undefined) throw new AppError('auth', 'none is given');
      return passphrase;
    },
    close: async () => undefined,
  };
  const machine: Machine = {
    id: 'm',
    name: 'm',
    state: 'off',
    disks: Object.keys(disks).map((id) => ({ id, name: id, files: [] })),
    nics: [],
    findings: [],
  };
  return { survey: () => surveyMachine(session, machine, { follow: false }, never), asked };
}

describe('surveyMachine', () => {
  it('looks into disks as one, and one that fails hides no other', async () => {
    const { survey, asked } = machineOf({
      one: volumeFixture('lvm-1'),
      broken: undefined,
      two: volumeFixture('lvm-2'),
      three: volumeFixture('lvm-3'),
    });
    const { reports, failure, machine } = await survey();
    expect(failure).toMatchObject({ message: 'the cable is loose' });
    expect(Object.keys(reports)).toEqual(['one', 'two', 'three']);
    const striped = Object.values(reports)
      .flatMap(({ volumes = [] }) => volumes)
      .filter(({ name }) => name === 'plain/str');
    expect(striped).toEqual([expect.objectContaining({ made: 'striped', device: '/dev/mapper/plain-str' })]);
    expect(striped[0]).not.toHaveProperty('why');
    expect(Object.values(reports).every(({ bytesRead }) => bytesRead > 0)).toBe(true);
    expect(machine.disks).toHaveLength(4);
    expect(asked).toEqual([]);
  });

  it('fills in what the machine is', async () => {
    const bytes = Buffer.alloc(2 * 2 ** 20);
    putMbr(bytes, [{ status: 0x80, id: 0x83, start: 2048, length: 1024 }]);
    bytes.write('GRUB', 0x180);
    fixture('ext4.img').copy(bytes, 2 ** 20);
    const { machine } = await machineOf({ data: Buffer.alloc(2 ** 20), root: bytes }).survey();
    expect(machine).toMatchObject({
      firmware: { kind: 'bios' },
      system: { name: 'Test Linux 7 ("small")', version: '7', architecture: 'aarch64', hostname: 'tiny' },
    });
  });

  it('asks for a passphrase where something is encrypted, and tells it where there is none', async () => {
    const sealed = machineOf({ one: volumeFixture('nested') });
    const closed = (await sealed.survey()).reports.one!;
    expect(sealed.asked).toEqual(['guest-passphrase']);
    expect(closed.findings.map(({ rule }) => rule)).toEqual(['guest.volume-encrypted']);
    const open = (await machineOf({ one: volumeFixture('nested') }, 'opensesame').survey()).reports.one!;
    expect(open.volumes!.map(({ name }) => name)).toContain('inner/root');
  });
});
