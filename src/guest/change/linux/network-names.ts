/**
 * The names of the network's interfaces stay, whatever the new card and its slot would make of them: with the name goes
 * the address. Each is pinned to its NIC's MAC address.
 */
import type { Finding } from '../../../model/finding.ts';
import type { GuestInterface } from '../../../model/guest-report.ts';
import { networkModules, type TargetNic } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import type { LinuxChange, LinuxContext } from './context.ts';
import { namesMac, replaceMac } from './replace-mac.ts';

const rules = '/etc/udev/rules.d/70-persistent-net.rules';

/** An interface of the guest, with the NIC that it was and the one that it will be. */
export interface Pin {
  readonly name: string;
  readonly file?: string;
  readonly was: TargetNic;
  readonly will: TargetNic;
}

export const keepNetworkNames: LinuxChange = async (tree, context) => {
  const { pins, findings } = pair(context);
  const anyCard = context.target.nics.length === 1 ? 'e*' : undefined;
  await tree.change(
    {
      id: 'network.addresses',
      title: 'The network configuration names the new MAC address',
      reason: 'what is configured for the old address is not applied to the new one',
      need: 'needed',
    },
    async (editor) => {
      for (const { name, file, was, will } of pins)
        if (file !== undefined && was.mac !== undefined && was.mac !== will.mac)
          await editor.edit(file, (text) => replaceMac(text, was.mac!, will.mac, name || anyCard));
    },
  );
  for (const { file, was, will } of pins)
    if (file !== undefined && was.mac !== undefined && will.mac === undefined)
      if (namesMac((await tree.view.text(file)) ?? '', was.mac)) findings.push(oldMac(file, was.mac));
  const wanted = pins.filter((pin) => pin.name !== '' && !namesItself(pin, context));
  const unknown = wanted.filter(({ will }) => will.mac === undefined);
  if (unknown.length > 1) findings.push(unpinned(unknown));
  const known = unknown.length > 1 ? wanted.filter(({ will }) => will.mac !== undefined) : wanted;
  await (context.system.init === 'systemd' ? byLinks(tree, known, pins) : byRules(tree, known, pins));
  return findings;
};

/** Bridges, bonds, tunnels and the like are made by name from others. */
const isMade = ({ name, kind = 'ethernet' }: GuestInterface) =>
  kind !== 'ethernet' ||
  /^(?:lo|venet|br|bond|team|virbr|docker|vlan|veth|tun|tap|wg|dummy|sit|ip6)|[.:@*?]/.test(name);

/** By the MAC address where the guest writes it down; the others in the order of their names. */
export function pair({ system, nics, target }: Pick<LinuxContext, 'system' | 'nics' | 'target'>): {
  pins: Pin[];
  findings: Finding[];
} {
  const findings: Finding[] = [];
  const interfaces = new Map<string, GuestInterface>();
  for (const found of system.interfaces ?? [])
    if (!isMade(found)) {
      // What is configured by its address alone has no name to keep.
      const key = found.name === '' ? (found.mac ?? '') : found.name;
      if (key !== '') interfaces.set(key, interfaces.get(key) ?? found);
    }
  const free = new Set(nics.keys());
  const pins: Pin[] = [];
  const take = (key: string, { name, file }: GuestInterface, index: number) => {
    free.delete(index);
    interfaces.delete(key);
    pins.push({
      name,
      was: nics[index]!,
      will: target.nics[index] ?? {},
      ...(file === undefined ? {} : { file }),
    });
  };
  for (const [key, found] of [...interfaces]) {
    const index = nics.findIndex(
      (nic, i) => free.has(i) && nic.mac !== undefined && nic.mac === found.mac?.toLowerCase(),
    );
    if (index >= 0) take(key, found, index);
  }
  const left = [...interfaces.values()]
    .filter(({ name }) => name !== '')
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  const places = [...free];
  if (left.length > places.length || (left.length !== places.length && left.length > 1)) {
    findings.push({
      rule: 'guest.interfaces',
      severity: 'warning',
      message: `the guest configures ${left.map(({ name }) => name).join(', ')}, and the machine has ${places.length} other NICs: which is which is not known`,
      remedy:
        "write each interface's MAC address into the guest's configuration, or look at its network after the start",
    });
    return { pins, findings };
  }
  for (const [i, found] of left.entries()) take(found.name, found, places[i]!);
  return { pins, findings };
}

/** Cards of Alpine, and one card of any system that numbers them as they come, are called eth0, eth1 everywhere. */
function namesItself({ name, will }: Pin, { system, target: { nics } }: LinuxContext): boolean {
  if (system.distribution === 'alpine') return name === `eth${nics.indexOf(will)}`;
  const counted = /\bnet\.ifnames=0\b/.test(system.bootloader?.arguments ?? '');
  return name === 'eth0' && counted && nics.length === 1;
}

async function byLinks(tree: PlannedTree, pins: readonly Pin[], all: readonly Pin[]): Promise<void> {
  await tree.change(
    {
      id: 'network.names',
      title: `Network interfaces keep their names: ${pins.map(({ name }) => name).join(', ')}`,
      reason: 'the new card has another name by itself, and the addresses belong to the old name',
      need: 'needed',
    },
    async (editor) => {
      for (const pin of pins)
        await editor.write(`/etc/systemd/network/10-vmferry-${pin.name}.link`, link(pin));
      await editor.edit(rules, (text) => withoutOldCards(text, all));
    },
  );
}

/** Rules of the older udev; where they are in use a new card gets the next free number beside them. */
const withoutOldCards = (text: string, pins: readonly Pin[]): string =>
  text
    .split('\n')
    .flatMap((line) => {
      const pin = pins.find(
        ({ was, will }) => was.mac !== undefined && was.mac !== will.mac && namesMac(line, was.mac),
      );
      if (pin === undefined) return [line];
      return pin.will.mac === undefined ? [] : [replaceMac(line, pin.was.mac!, pin.will.mac)];
    })
    .join('\n');

/** Drivers as udev calls them. */
const driverNames: Readonly<Record<string, string>> = { xen_netfront: 'vif' };

function link({ name, will }: Pin): string {
  const drivers = networkModules({ nics: [will] }).map((module) => driverNames[module] ?? module);
  const match = will.mac === undefined ? `Driver=${drivers.join(' ')}` : `MACAddress=${will.mac}`;
  return `[Match]\n${match}\n\n[Link]\nName=${name}\n`;
}

/** What was written down of the old cards would give the new ones other numbers. */
async function byRules(tree: PlannedTree, known: readonly Pin[], all: readonly Pin[]): Promise<void> {
  const pins = known.filter(({ will }) => will.mac !== undefined);
  await tree.change(
    {
      id: 'network.names',
      title: `Network interfaces keep their names: ${pins.map(({ name }) => name).join(', ')}`,
      reason: 'udev numbers a card that it has not seen anew, and the addresses belong to the old name',
      need: 'needed',
    },
    async (editor) => {
      if (pins.length > 0) {
        await editor.write(rules, pins.map(rule).join(''));
      } else if (all.length > 0) {
        await editor.remove(rules);
      }
    },
  );
}

const rule = ({ name, will }: Pin): string =>
  `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${will.mac}", ATTR{type}=="1", NAME="${name}"\n`;

const oldMac = (file: string, mac: string): Finding => ({
  rule: 'guest.interfaces',
  severity: 'warning',
  message: `${file} is for the MAC address ${mac}, and the new one is not known beforehand`,
  evidence: file,
  remedy: 'keep the MAC addresses, or give new ones in the plan',
});

const unpinned = (pins: readonly Pin[]): Finding => ({
  rule: 'guest.interfaces',
  severity: 'warning',
  message: `the new MAC addresses of ${pins.map(({ name }) => name).join(', ')} are not known beforehand: their names can't be kept`,
  remedy: 'keep the MAC addresses, or give new ones in the plan',
});
