/** What every reader of a text file has to survive: plain data comes of anything, and in no long time. */
import { expect, it } from 'vitest';
import { parseBls, parseLoaderConf } from '../../../src/guest/formats/bootloader/bls.ts';
import { parseGrubConfig, parseGrubenv } from '../../../src/guest/formats/bootloader/grub2.ts';
import { parseExtlinux, parseGrub1 } from '../../../src/guest/formats/bootloader/older.ts';
import * as modules from '../../../src/guest/formats/kernel/modules.ts';
import { parseIfcfg } from '../../../src/guest/formats/network/ifcfg.ts';
import { parseInterfaces, sourcesOf } from '../../../src/guest/formats/network/interfaces.ts';
import { parseKeyfiles } from '../../../src/guest/formats/network/network-manager.ts';
import { parseNetworkd } from '../../../src/guest/formats/network/networkd.ts';
import { pinsOfLinks, pinsOfUdev } from '../../../src/guest/formats/network/pinned-names.ts';
import { parseCrypttab } from '../../../src/guest/formats/storage/crypttab.ts';
import { parseLvmDevices } from '../../../src/guest/formats/storage/lvm-devices.ts';
import { parseMdadmConf } from '../../../src/guest/formats/storage/mdadm.ts';

const readers: Record<string, (content: string) => unknown> = {
  bls: (content) =>
    parseBls([{ name: 'a.conf', content }], { variables: new Map([['a', 'x'.repeat(4096)]]) }),
  loader: parseLoaderConf,
  grub: parseGrubConfig,
  grubenv: parseGrubenv,
  extlinux: parseExtlinux,
  grub1: parseGrub1,
  builtin: modules.parseModulesBuiltin,
  dep: modules.parseModulesDep,
  alias: modules.parseModulesAlias,
  config: modules.parseKernelConfig,
  ifcfg: (content) => parseIfcfg([{ name: 'ifcfg-a', content }]),
  interfaces: (content) => [parseInterfaces([{ name: 'a', content }]), sourcesOf(content)],
  keyfile: (content) => parseKeyfiles([{ name: 'a', content }]),
  networkd: (content) => parseNetworkd([{ name: 'a.network', content }]),
  udev: (content) => pinsOfUdev({ name: 'a', content }),
  link: (content) => pinsOfLinks([{ name: 'a.link', content }]),
  crypttab: parseCrypttab,
  lvm: parseLvmDevices,
  mdadm: parseMdadmConf,
};

const bytes = 200_000;
const noise = [
  `title ${' '.repeat(bytes)}x`,
  `a${' '.repeat(bytes)}=${' '.repeat(bytes)}x`,
  `[a${' '.repeat(bytes)}x`,
  `set a=${'x'.repeat(5000)}\nset b=${'$a'.repeat(bytes / 2)}`,
  `linux x\noptions ${'$a'.repeat(bytes / 2)}`,
  '{'.repeat(bytes),
  'menuentry a { '.repeat(bytes / 16),
  '"'.repeat(bytes) + "'".repeat(bytes),
  'iface a inet static\n address 1\n'.repeat(bytes / 32),
  'ARRAY\n '.repeat(bytes / 8),
  '[Network]\nAddress=1\n'.repeat(bytes / 20),
  'ATTR{address}=="'.repeat(bytes / 16),
  'title a\n'.repeat(bytes / 8),
  'alias a\t'.repeat(bytes / 8),
  '\0\u202e\r\n'.repeat(bytes / 8),
];

it.each(Object.keys(readers))('%s', (name) => {
  for (const content of noise) {
    const found = JSON.stringify(readers[name]!(content)) ?? '';
    expect(found.length).toBeLessThan(20_000_000);
  }
});
