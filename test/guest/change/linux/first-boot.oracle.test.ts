/** The first start, really run: the guest's files in a folder, its package manager a script that notes what it is told. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { addFirstBoot } from '../../../../src/guest/change/linux/first-boot/first-boot.ts';
import type { GuestAdditions } from '../../../../src/model/guest-plan.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { tempFolder } from '../../../temp.ts';
import { asked } from './plan-one.ts';

const home = 'var/lib/vmferry/first-boot';
const unit = 'etc/systemd/system/vmferry-first-boot.service';
const debian = { system: { init: 'systemd', packages: { kind: 'dpkg', count: 1 } } } as const;

async function guest(
  shell: readonly string[],
  scripts: Readonly<Record<string, string>>,
  add: GuestAdditions = {},
) {
  const folder = await tempFolder();
  const root = join(folder, 'root');
  const firstBoot: string[] = [];
  for (const [name, text] of Object.entries(scripts)) {
    firstBoot.push(join(folder, name));
    await writeFile(join(folder, name), text);
  }
  const { edits } = await asked(addFirstBoot, {}, { firstBoot, ...add }, debian);
  await mkdir(join(root, 'var/log'), { recursive: true });
  for (const edit of edits) {
    if (edit.kind === 'registry') throw new Error();
    const path = join(root, edit.path);
    await mkdir(dirname(path), { recursive: true });
    if (edit.kind === 'write') await writeFile(path, edit.content);
    if (edit.kind === 'upload')
      for await (const chunk of edit.chunks()) await writeFile(path, chunk, { flag: 'a' });
    if (edit.kind === 'link') await symlink(edit.target, path);
    if ('mode' in edit && edit.kind !== 'folder') await chmod(path, edit.mode!);
  }
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const notes = join(folder, 'notes');
  return {
    root,
    bin,
    notes: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : []),
    log: () => readFileSync(join(root, 'var/log/vmferry-first-boot.log'), 'utf8'),
    there: (path: string) => existsSync(join(root, path)),
    boot(limit = '20') {
      const env = {
        PATH: `${bin}:${process.env.PATH}`,
        VMFERRY_ROOT: root,
        VMFERRY_LIMIT: limit,
        NOTES: notes,
      };
      const run = spawnSync(shell[0]!, [...shell.slice(1), join(root, home, 'run.sh')], {
        env,
        timeout: 30_000,
      });
      expect(run.stderr.toString()).toBe('');
      expect(run.status).toBe(0);
    },
  };
}

const fake = async (bin: string, name: string, text: string) =>
  writeFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

for (const shell of [['sh'], ['bash', '--posix'], ['busybox', 'sh']]) {
  describeWith([shell[0]!], `the first start, run by ${shell[0]}`, () => {
    it('runs each task once, and takes itself away', async () => {
      const { root, boot, notes, log, there } = await guest(shell, {
        'one.sh': 'echo one >>"$NOTES"\n',
        'two with space': '#!/bin/sh\necho two >>"$NOTES"; echo heard\n',
      });
      boot();
      expect(notes()).toEqual(['one', 'two']);
      expect(log()).toMatch(/begins\nheard\n.*50-02-two_with_space is done\n.*all is done\n$/);
      expect([there(home), there(unit)]).toEqual([false, false]);
      expect(readdirSync(join(root, 'etc/systemd/system/multi-user.target.wants'))).toEqual([]);
    });

    it('tries what fails three times, and nothing else again', async () => {
      const { root, boot, notes, log, there } = await guest(shell, {
        a: 'echo good >>"$NOTES"\n',
        b: 'echo bad >>"$NOTES"; exit 7\n',
      });
      for (let start = 0; start < 3; start++) {
        expect(there(unit)).toBe(true);
        boot();
      }
      expect(notes()).toEqual(['good', 'bad', 'bad', 'bad']);
      expect(log()).toMatch(/50-02-b has failed with 7\n.*gave up; the tasks are in /);
      expect([there(unit), there(home)]).toEqual([false, true]);
      // Even when it is started again nothing is run.
      boot();
      expect(notes()).toHaveLength(4);
      expect(readFileSync(join(root, home, 'starts'), 'utf8')).toBe('4\n');
    });

    it('ends what hangs, with all that it started', async () => {
      const { boot, notes, log } = await guest(shell, {
        a: 'sh -c "sleep 600; echo never >>$NOTES" &\nsleep 600\n',
        b: 'echo after >>"$NOTES"\n',
      });
      boot('1');
      expect(notes()).toEqual(['after']);
      expect(log()).toMatch(/its time is over\n.*50-01-a has failed with 143\n/);
    });

    it('runs nothing when its count is damaged', async () => {
      const { root, boot, notes, there } = await guest(shell, { a: 'echo run >>"$NOTES"\n' });
      await writeFile(join(root, home, 'starts'), '');
      boot();
      expect([notes(), there(unit)]).toEqual([[], false]);
    });
  });
}

describeWith(['sh'], 'packages at the first start', () => {
  it('installs files, the agent, and removes what is foreign', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'my tool.deb'), 'debian');
    const add = { packages: [join(folder, 'my tool.deb')], agent: true, removeTools: true };
    const { bin, boot, notes, log } = await guest(['sh'], {}, add);
    await fake(bin, 'dpkg', 'echo "dpkg $*" | sed "s,/[^ ]*/,," >>"$NOTES"; cat "$3" >/dev/null');
    await fake(bin, 'apt-get', 'echo "apt-get $*" >>"$NOTES"');
    await fake(
      bin,
      'dpkg-query',
      'case "$*" in *open-vm-tools) echo "install ok installed" ;; *) exit 1 ;; esac',
    );
    await fake(bin, 'systemctl', 'echo "systemctl $*" >>"$NOTES"; [ "$2" != qemu-ga.service ]');
    boot();
    const lock = '-y -o DPkg::Lock::Timeout=300';
    expect(notes()).toEqual([
      'dpkg -i --force-confold 1-my_tool.deb',
      `apt-get ${lock} update`,
      `apt-get ${lock} install qemu-guest-agent`,
      'systemctl cat qemu-guest-agent.service',
      'systemctl unmask qemu-guest-agent.service',
      'systemctl enable qemu-guest-agent.service',
      'systemctl --no-block start qemu-guest-agent.service',
      'systemctl cat qemu-ga.service',
      `apt-get ${lock} purge open-vm-tools`,
    ]);
    expect(log()).toMatch(/all is done\n$/);
  });
});
