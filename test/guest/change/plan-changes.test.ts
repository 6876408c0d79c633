import { expect, it } from 'vitest';
import { planChanges } from '../../../src/guest/change/plan-changes.ts';
import type { GuestTarget } from '../../../src/guest/change/target.ts';
import { openGuest } from '../../../src/guest/open-guest.ts';
import { diskOf } from '../disks.ts';
import { volumeFixture } from '../volume-fixtures.ts';

const { signal } = new AbortController();
const target: GuestTarget = {
  ...{
    product: 'qemu',
    disks: [{ bus: 'virtio' }],
    nics: [],
    firmware: 'bios',
    console: 'screen',
    cloud: false,
  },
};

it.each([
  ['is encrypted', volumeFixture('nested'), 'warning', /encrypted/],
  ['holds data only', Buffer.alloc(2 ** 20), 'note', /no system was recognised/],
])('what %s is not changed, and that is said', async (_what, bytes, severity, message) => {
  const guest = await openGuest([diskOf(bytes)], { signal });
  const wish = { changes: 'needed' } as const;
  const { changes, findings } = await planChanges(guest, { target, nics: [], wish, signal });
  expect(changes).toEqual([]);
  expect(findings).toEqual([expect.objectContaining({ severity, message: expect.stringMatching(message) })]);
});
