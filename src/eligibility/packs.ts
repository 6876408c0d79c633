/** Packs with what they extend put in: those that come along, and a user's over them. */
import { AppError } from '../model/errors.ts';
import type { Firmware } from '../model/machine.ts';
import { checkedPack, type PackFile, type Rule } from './pack.ts';
import aws from './packs/aws.json' with { type: 'json' };
import azure from './packs/azure.json' with { type: 'json' };
import gcp from './packs/gcp.json' with { type: 'json' };
import guest from './packs/guest.json' with { type: 'json' };
import hypervGen1 from './packs/hyperv-gen1.json' with { type: 'json' };
import hypervGen2 from './packs/hyperv-gen2.json' with { type: 'json' };
import kvm from './packs/kvm.json' with { type: 'json' };
import openstack from './packs/openstack.json' with { type: 'json' };
import proxmox from './packs/proxmox.json' with { type: 'json' };
import uml from './packs/uml.json' with { type: 'json' };
import virtualbox from './packs/virtualbox.json' with { type: 'json' };
import vmware from './packs/vmware.json' with { type: 'json' };
import xcpng from './packs/xcp-ng.json' with { type: 'json' };

/** In the order in which destinations are shown. */
const files = [
  guest,
  kvm,
  vmware,
  xcpng,
  hypervGen1,
  hypervGen2,
  virtualbox,
  proxmox,
  openstack,
  aws,
  azure,
  gcp,
  uml,
];

type ShippedFile = (typeof files)[number];

/** With `product`, only what leads there and what that extends: checking the shape of all of them takes a while. */
export function builtInFiles(product?: string): PackFile[] {
  const wanted = new Set<ShippedFile>();
  const want = (file: ShippedFile) => {
    if (wanted.has(file)) return;
    wanted.add(file);
    const bases = 'extends' in file ? [file.extends].flat() : [];
    for (const base of files) if (bases.includes(base.id)) want(base);
  };
  for (const file of files) if (product === undefined || leadsTo(file, product)) want(file);
  return files.filter((file) => wanted.has(file)).map((file) => checkedPack(file, `${file.id}.json`));
}

const leadsTo = (file: ShippedFile, product: string): boolean =>
  'products' in file && file.products.some(({ id }) => id === product);

/** A pack that can be judged by: all its rules, its own and those of what it extends. */
export interface Pack extends Pick<PackFile, 'id' | 'label' | 'version' | 'date' | 'products'> {
  readonly rules: readonly Rule[];
}

export interface BrokenPack {
  /** The file. */
  readonly where: string;
  readonly reason: string;
}

export interface LoadedPacks {
  readonly packs: readonly Pack[];
  readonly broken: readonly BrokenPack[];
}

export interface UserFile {
  readonly where: string;
  readonly pack: PackFile;
}

/** So many packs may lie below one: with several below each, there is an end to it. */
const deepest = 4;

/**
 * A user's pack of the id of one that comes along takes its place, and may extend it. With `product`, packs that do not
 * lead there may be absent.
 */
export function joinPacks(user: readonly UserFile[] = [], product?: string): LoadedPacks {
  const own = builtInFiles(user.length === 0 ? product : undefined);
  const broken: BrokenPack[] = [];
  const taken = new Map<string, PackFile>();
  for (const { pack, where } of user) {
    const before = taken.has(pack.id);
    if (before) broken.push({ where, reason: `another file has a pack "${pack.id}" too` });
    else taken.set(pack.id, pack);
  }
  const order = [
    ...own.map(({ id }) => id),
    ...[...taken.keys()].filter((id) => !own.some((p) => p.id === id)),
  ];
  const packs = order.flatMap((id): Pack[] => {
    const shipped = own.find((pack) => pack.id === id);
    const given = taken.get(id);
    try {
      return resolve(given ?? shipped!, own, taken);
    } catch (error) {
      // One that comes along may only lean on a broken one: that one is told.
      const blamed = user.find(({ pack }) => pack.id === id);
      if (blamed !== undefined) broken.push({ where: blamed.where, reason: (error as Error).message });
      // What comes along still stands, as it came.
      return shipped === undefined ? [] : resolve(shipped, own, new Map());
    }
  });
  return { packs, broken };
}

function resolve(pack: PackFile, own: readonly PackFile[], user: ReadonlyMap<string, PackFile>): Pack[] {
  if (pack.base === true) return [];
  const { id, label, version, date } = pack;
  const products = pack.products ?? own.find((other) => other.id === id)?.products;
  const rules = rulesOf(pack, own, user, []);
  return [{ ...{ id, label, version, date, rules }, ...(products === undefined ? {} : { products }) }];
}

function rulesOf(
  pack: PackFile,
  own: readonly PackFile[],
  user: ReadonlyMap<string, PackFile>,
  above: readonly PackFile[],
): Rule[] {
  if (above.includes(pack)) throw new AppError('corrupt', `"${pack.id}" extends itself`);
  if (above.length > deepest) throw new AppError('corrupt', `more than ${deepest} packs extend each other`);
  const rules = new Map<string, Rule>();
  for (const name of new Set(pack.extends)) {
    const shipped = own.find((other) => other.id === name);
    // A pack that takes the place of one extends the one that came along.
    const base = name === pack.id ? shipped : (user.get(name) ?? shipped);
    if (base === undefined) throw new AppError('corrupt', `it extends "${name}", and there is no such pack`);
    for (const rule of rulesOf(base, own, user, [...above, pack])) rules.set(rule.id, rule);
  }
  for (const name of pack.without ?? []) {
    if (!rules.delete(name)) throw new AppError('corrupt', `it leaves out "${name}", which it does not have`);
  }
  for (const rule of pack.rules) rules.set(rule.id, rule);
  return [...rules.values()];
}

/** The pack of the destination that a plan's product stands for; none for mere files. */
export const packOfProduct = (
  packs: readonly Pack[],
  product: string,
  firmware: Firmware['kind'],
): Pack | undefined =>
  packs.find((pack) =>
    pack.products?.some((one) => one.id === product && (one.firmware ?? firmware) === firmware),
  );

/** @throws AppError `usage` naming what there is. */
export function packsNamed(packs: readonly Pack[], names: readonly string[]): readonly Pack[] {
  if (names.includes('all')) return packs;
  return names.map((name) => {
    const found = packs.find((pack) => pack.id === name);
    if (found !== undefined) return found;
    throw new AppError('usage', `"${name}" is no destination that there are rules for`, {
      hint: `known are: all, ${packs.map(({ id }) => id).join(', ')}`,
    });
  });
}
