/** What runs a Linux once it is started: init, services, SELinux, cloud-init. */
import type { InstalledSystem } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import { shellAssignments } from '../../formats/config-file.ts';
import { itemsOf, parseYaml, textIn, treeOf } from '../../formats/network/yaml.ts';
import { plainText } from '../../text.ts';
import { filesIn, isThere, textAt, unlessBroken } from './guest-text.ts';

export async function readInit(files: Files): Promise<InstalledSystem['init']> {
  const target = (await files.readlink('/sbin/init')) ?? (await files.readlink('/usr/sbin/init')) ?? '';
  if (/systemd$/.test(target)) return 'systemd';
  if (/openrc-init$/.test(target)) return 'openrc';
  if (/runit-init$/.test(target)) return 'runit';
  const openrc = await isThere(files, [
    '/sbin/openrc',
    '/usr/sbin/openrc',
    '/sbin/openrc-run',
    '/usr/bin/openrc',
  ]);
  if (openrc && (await isThere(files, ['/etc/runlevels']))) return 'openrc';
  if (/busybox$/.test(target)) return 'busybox';
  const systemd = ['/lib/systemd/systemd', '/usr/lib/systemd/systemd'];
  if (target === '' && !(await isThere(files, ['/sbin/init'])))
    return (await isThere(files, systemd)) ? 'systemd' : undefined;
  if (await isThere(files, ['/etc/inittab'])) return 'sysvinit';
  return 'other';
}

/** Services by what they are called here, with their units and scripts, and the programs of those that are neither. */
const services: readonly (readonly [id: string, names: readonly string[], programs: readonly string[]])[] = [
  ['sshd', ['ssh', 'sshd'], []],
  ['dropbear', ['dropbear'], []],
  ['acpid', ['acpid'], []],
  ['growpart', [], ['/usr/bin/growpart', '/usr/sbin/growpart']],
  ['chrony', ['chrony', 'chronyd'], []],
  ['ntp', ['ntp', 'ntpd', 'ntpsec'], []],
  ['irqbalance', ['irqbalance'], []],
  ['network-manager', ['NetworkManager'], []],
  ['systemd-networkd', ['systemd-networkd'], []],
];

/** Those that are started, and programs that others start. */
export async function readServices(files: Files): Promise<string[]> {
  const started = new Set<string>();
  for (const folder of ['multi-user', 'sockets', 'sysinit', 'network-online', 'basic'])
    for (const name of await files.list(`/etc/systemd/system/${folder}.target.wants`))
      started.add(name.replace(/\.(?:service|socket|path)$/, ''));
  for (const level of ['boot', 'default'])
    for (const name of await files.list(`/etc/runlevels/${level}`)) started.add(name);
  for (const folder of ['/etc/rc2.d', '/etc/rc3.d', '/etc/rc.d/rc3.d'])
    for (const name of await files.list(folder)) {
      const service = /^S\d\d(.+)$/.exec(name)?.[1];
      if (service !== undefined) started.add(service);
    }
  const found: string[] = [];
  for (const [id, names, programs] of services)
    if (names.some((name) => started.has(name)) || (await isThere(files, programs))) found.push(id);
  return found;
}

export async function readSelinux(
  files: Files,
  kernelArguments: string,
): Promise<InstalledSystem['selinux']> {
  const text = await textAt(files, '/etc/selinux/config');
  if (text === undefined) return undefined;
  if (/(?:^|\s)selinux=0(?:\s|$)/.test(kernelArguments)) return 'disabled';
  const mode = shellAssignments(text).get('SELINUX')?.toLowerCase();
  if (mode === 'disabled') return 'disabled';
  if (mode === 'permissive' || /(?:^|\s)enforcing=0(?:\s|$)/.test(kernelArguments)) return 'permissive';
  return mode === 'enforcing' ? 'enforcing' : undefined;
}

export async function readCloudInit(
  files: Files,
  installed: boolean,
  kernelArguments: string,
): Promise<InstalledSystem['cloudInit']> {
  if (!installed && !(await isThere(files, ['/usr/bin/cloud-init', '/etc/cloud/cloud.cfg'])))
    return undefined;
  const off =
    (await isThere(files, ['/etc/cloud/cloud-init.disabled'])) ||
    /(?:^|\s)cloud-init=disabled(?:\s|$)/.test(kernelArguments);
  const datasources = await datasourcesOf(files);
  return { enabled: !off, ...(datasources === undefined ? {} : { datasources }) };
}

/** The last file that says it wins. */
async function datasourcesOf(files: Files): Promise<string[] | undefined> {
  let found: string[] | undefined;
  const main = await filesIn(files, '/etc/cloud', (name) => name === 'cloud.cfg');
  const more = await filesIn(files, '/etc/cloud/cloud.cfg.d', (name) => name.endsWith('.cfg'));
  for (const { path, content } of [...main, ...more]) {
    if (!/^datasource_list\s*:/m.test(content.toString())) continue;
    const tree = treeOf(await unlessBroken(() => parseYaml(content as Buffer, path)));
    const list = itemsOf(tree.datasource_list).flatMap((item) => textIn(item) ?? []);
    if (tree.datasource_list !== undefined) found = list.slice(0, 64).map((name) => plainText(name, 64));
  }
  return found;
}
