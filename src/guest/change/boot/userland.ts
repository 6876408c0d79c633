/** What a guest that never started by itself lacks besides a kernel: its root in fstab, consoles, a network card. */
import type { Finding } from '../../../model/finding.ts';
import type { LinuxContext } from '../linux/context.ts';
import type { Editor, PlannedTree } from '../tree.ts';

export async function settleUserland(
  tree: PlannedTree,
  context: LinuxContext,
  uuid: string,
  kind: string,
): Promise<Finding[]> {
  await tree.change(
    {
      id: 'bare.fstab',
      title: 'The root is in fstab, by UUID',
      reason: 'it was mounted from outside, or by a name that is not there',
      need: 'needed',
    },
    async (editor) =>
      editor.write('/etc/fstab', withRoot((await editor.text('/etc/fstab')) ?? '', uuid, kind)),
  );
  await tree.change(
    {
      id: 'bare.console',
      title: 'A login on the screen and on the serial port',
      reason: 'its consoles were those of the outside',
      need: 'needed',
    },
    (editor) => consoles(editor, context),
  );
  return bringNetwork(tree, context);
}

export function withRoot(text: string, uuid: string, kind: string): string {
  const root = /^(\s*)([^#\s]\S*)(\s+\/\s+)(\S+)/m;
  if (root.test(text)) return text.replace(root, `$1UUID=${uuid}$3${kind}`);
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${before}UUID=${uuid} / ${kind} defaults 0 1\n`;
}

/** A getty on a console of User Mode Linux, which is the first terminal elsewhere. */
const umlConsole = /^([^#\n]*:respawn:.*getty\b.*?\s)(?:tty0|con0|vc\/0|ttys\/0)\b/gm;

async function consoles(editor: Editor, { system }: LinuxContext): Promise<void> {
  await editor.edit('/etc/inittab', (text) => withGetties(text, system.init === 'busybox'));
  await editor.edit('/etc/securetty', (text) => withLines(text, ['tty1', 'ttyS0']));
  if (system.init !== 'systemd') return;
  // The one on the serial port comes by itself, with the console that the kernel is told of.
  const wants = '/etc/systemd/system/getty.target.wants/getty@tty1.service';
  if ((await editor.lstat(wants)) === undefined)
    await editor.link(wants, '/lib/systemd/system/getty@.service');
}

/** busybox takes the first field for the terminal, SysV's init for a name of at most four letters. */
export function withGetties(text: string, busybox: boolean): string {
  const moved = text
    .replace(umlConsole, '$1tty1')
    .replace(/^(?:tty0|con0)(:[^:\n]*:(?:respawn|askfirst):)/gm, 'tty1$1');
  const lines: string[] = [];
  const active = moved.replace(/^\s*#.*$/gm, '');
  for (const [tty, id, line] of [
    ['tty1', 'v1', '/sbin/getty 38400 tty1 linux'],
    ['ttyS0', 'S0', '/sbin/getty -L 115200 ttyS0 vt100'],
  ] as const) {
    if (new RegExp(`\\b${tty}\\b`).test(active)) continue;
    lines.push(busybox ? `${tty}::respawn:${line}` : `${id}:2345:respawn:${line}`);
  }
  return withLines(moved, lines);
}

function withLines(text: string, lines: readonly string[]): string {
  const there = new Set(text.split('\n').map((line) => line.trim()));
  const added = lines.filter((line) => !there.has(line));
  if (added.length === 0) return text;
  return `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${added.join('\n')}\n`;
}

/** A card that is there in place of a container's `venet0`, whose address only its host could reach. */
async function bringNetwork(tree: PlannedTree, { system, target }: LinuxContext): Promise<Finding[]> {
  const all = system.interfaces ?? [];
  const cards = all.filter(({ name }) => !/^(?:lo|venet)/.test(name));
  if (cards.length > 0 || target.nics.length === 0) return [];
  await tree.change(
    {
      id: 'bare.network',
      title: 'The network card eth0 asks for its address by DHCP',
      reason: 'the guest knows no network card',
      need: 'needed',
    },
    (editor) => useDhcp(editor, system.init === 'systemd'),
  );
  const addresses = all.flatMap(({ name, addresses }) => (name.startsWith('venet') ? addresses : []));
  return addresses.filter((address) => !address.startsWith('127.')).map(formerAddress);
}

async function useDhcp(editor: Editor, systemd: boolean): Promise<void> {
  const interfaces = '/etc/network/interfaces';
  const scripts = '/etc/sysconfig/network-scripts';
  if ((await editor.stat('/etc/network'))?.kind === 'folder') {
    const text = (await editor.text(interfaces)) ?? 'auto lo\niface lo inet loopback\n';
    await editor.write(
      interfaces,
      `${withoutVenet(text).replace(/\n*$/, '\n')}\nauto eth0\niface eth0 inet dhcp\n`,
    );
  } else if ((await editor.stat(scripts))?.kind === 'folder') {
    for (const name of await editor.list(scripts))
      if (name.startsWith('ifcfg-venet'))
        await editor.edit(`${scripts}/${name}`, (text) => text.replace(/^(\s*ONBOOT\s*=).*$/gim, '$1no'));
    await editor.write(`${scripts}/ifcfg-eth0`, 'DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n');
  } else if (systemd) {
    await editor.write(
      '/etc/systemd/network/20-vmferry-eth0.network',
      '[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n',
    );
    await editor.link(
      '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service',
      '/lib/systemd/system/systemd-networkd.service',
    );
  }
}

/** A stanza goes on until the next one begins. */
export function withoutVenet(text: string): string {
  let ours = false;
  return text
    .split('\n')
    .map((line) => {
      if (/^\s*(?:auto|iface|allow-\S+|mapping|source\S*)\s/.test(line)) ours = /\svenet\d/.test(line);
      return ours && line.trim() !== '' && !line.startsWith('#') ? `#${line}` : line;
    })
    .join('\n');
}

const formerAddress = (address: string): Finding => ({
  rule: 'guest.former-address',
  severity: 'warning',
  message: `the container had the address ${address} through its host: elsewhere it asks for one by DHCP`,
  evidence: address,
  remedy: 'write the address, its network and gateway into the guest, or give it that address by DHCP',
});
