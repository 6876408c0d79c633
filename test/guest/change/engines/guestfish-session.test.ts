import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { GuestfishSession } from '../../../../src/guest/change/engines/libguestfs/session.ts';
import { tempFolder } from '../../../temp.ts';

/** As libguestfs: it has files of its own, and removes them when its machine has ended. */
const guestfish = (files: string) => `#!/bin/sh
: >'${files}'
'${process.execPath}' -e 'setInterval(() => {}, 1000); require("node:fs").writeFileSync("${files}.up", "")' &
machine=$!
until [ -e '${files}.up' ]; do sleep 0.05; done
while read -r name rest; do
  case "$name" in
    run) wait "$machine"; break ;;
    echo) echo "$rest" | tr -d '"' ;;
  esac
done
kill "$machine" 2>/dev/null
rm '${files}'
`;

async function fake(): Promise<string> {
  const folder = await tempFolder();
  const files = join(folder, 'libguestfs-files');
  await writeFile(join(folder, 'guestfish'), guestfish(files));
  await chmod(join(folder, 'guestfish'), 0o755);
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  return files;
}

it('a cancel in the middle of a command ends the machine and leaves none of its files', {
  timeout: 30_000,
}, async () => {
  const files = await fake();
  const stop = new AbortController();
  const session = new GuestfishSession(stop.signal);
  await session.run('version');
  expect(existsSync(files)).toBe(true);
  const waiting = session.run('run');
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  await session.end();
  expect(existsSync(files)).toBe(false);
});
