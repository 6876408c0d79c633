import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addFirstBoot } from '../../../../src/guest/change/linux/first-boot/first-boot.ts';
import { toolsPackages } from '../../../../src/guest/change/linux/first-boot/tools-packages.ts';
import type { InstalledSystem } from '../../../../src/model/guest-report.ts';
import { tempFolder } from '../../../temp.ts';
import { asked, type Given } from './plan-one.ts';

const contentOf = (edits: Awaited<ReturnType<typeof asked>>['edits'], ending: string) =>
  edits.flatMap((e) => (e.kind === 'write' && e.path.endsWith(ending) ? [e.content.toString()] : []))[0];

describe('what starts the tasks', () => {
  const agent = (
    files: Record<string, string>,
    system: Partial<InstalledSystem>,
    target: Given['target'] = {},
  ) => asked(addFirstBoot, files, { agent: true }, { system, target });

  it('is a local script of OpenRC', async () => {
    const { edits } = await agent({}, { init: 'openrc', distribution: 'alpine' });
    expect(edits).toMatchObject([
      { path: '/var' },
      { path: '/var/lib' },
      { path: '/var/lib/vmferry' },
      { path: '/var/lib/vmferry/first-boot', mode: 0o700 },
      { path: '/var/lib/vmferry/first-boot/tasks' },
      { path: '/var/lib/vmferry/first-boot/tasks/20-agent', mode: 0o700 },
      { path: '/var/lib/vmferry/first-boot/run.sh' },
      { path: '/etc' },
      { path: '/etc/local.d' },
      { path: '/etc/local.d/vmferry-first-boot.start', mode: 0o755 },
      { path: '/etc/runlevels' },
      { path: '/etc/runlevels/default' },
      { path: '/etc/runlevels/default/local', target: '/etc/init.d/local' },
    ]);
  });

  it('is a script of System V in its run levels', async () => {
    const files = {
      '/etc/rc2.d/S01x': '',
      '/etc/rc3.d/S01x': '',
      '/etc/rc5.d/S01x': '',
      '/etc/init.d/x': '',
    };
    const { edits } = await agent(files, { init: 'sysvinit' });
    expect(edits.filter((e) => e.kind === 'link').map((e) => e.path)).toEqual(
      [2, 3, 5].map((level) => `/etc/rc${level}.d/S99vmferry-first-boot`),
    );
    expect(contentOf(edits, 'run.sh')).toContain('rm -f "$root/etc/rc3.d/S99vmferry-first-boot"');
  });

  it.each(['busybox', 'runit', undefined] as const)(
    'is nothing that is known for %s: a blocker',
    async (init) => {
      const { findings, edits } = await asked(
        addFirstBoot,
        {},
        { agent: true },
        { system: { init: init as 'runit' } },
      );
      expect([findings.map((f) => f.rule), edits]).toEqual([['guest.no-first-boot'], []]);
    },
  );

  it.each([
    ['vmware', 'rocky', ['rhel', 'centos', 'fedora'], 'dnf -y install open-vm-tools'],
    ['hyperv', 'ubuntu', ['debian'], 'install linux-cloud-tools-virtual'],
    ['hyperv', 'opensuse-leap', ['suse'], 'zypper --non-interactive --no-gpg-checks install hyper-v'],
    ['virtualbox', 'arch', [], 'pacman -Sy --noconfirm --needed virtualbox-guest-utils'],
    ['xen', 'alpine', [], 'apk add xe-guest-utilities'],
  ])('%s on %s', async (product, distribution, like, command) => {
    const { edits } = await agent({}, { init: 'systemd', distribution, like }, { product });
    expect(contentOf(edits, '20-agent')).toContain(command);
  });

  it('has no agent for a product without one', async () => {
    const { findings } = await agent({}, { init: 'systemd' }, { product: 'uml' });
    expect(findings).toMatchObject([{ rule: 'guest.no-agent', severity: 'warning' }]);
  });

  it('has no package manager on a system that is not known', async () => {
    const { findings } = await agent({}, { init: 'systemd', distribution: 'nixos' });
    expect(findings).toMatchObject([{ rule: 'guest.no-package-manager', severity: 'blocker' }]);
  });

  it('refuses packages of another kind', async () => {
    const path = join(await tempFolder(), 'a.rpm');
    await writeFile(path, '');
    const run = asked(addFirstBoot, {}, { packages: [path] }, { system: { init: 'systemd' } });
    await expect(run).rejects.toMatchObject({ kind: 'usage', where: path });
  });

  it('puts only plain names into its scripts', () => {
    for (const { install, services, remove } of toolsPackages)
      for (const name of [...Object.values(install).flat(), ...services, ...remove])
        expect(name).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});
