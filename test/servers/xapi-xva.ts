/**
 * What /export and /import of the fake pool send and take, after what the product's sources tell: `ova.xml` (XML-RPC),
 * blocks of 1 MiB with their checksums behind them, machines and disks made while it comes. Has nothing of ours in it.
 */
import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import { type Database, Failure, type Fields, none, type Value } from './xapi-database.ts';

const blockBytes = 1024 * 1024;
const sector = 512;
const padded = (length: number) => Math.ceil(length / sector) * sector;

export interface ExportOptions {
  /** SHA-1, as up to XenServer 8.2. */
  readonly old?: boolean;
}

export async function exportMachine(
  database: Database,
  ref: string,
  { old }: ExportOptions = {},
): Promise<Buffer> {
  const vm = database.get('VM', ref);
  if (vm.power_state === 'Running') throw new Failure('VM_BAD_POWER_STATE', ref, 'halted', 'running');
  const ids = new Map<string, string>();
  const idOf = (other: string) => {
    if (!ids.has(other)) ids.set(other, `Ref:${ids.size}`);
    return ids.get(other)!;
  };
  const inside = (value: Value): Value => {
    if (Array.isArray(value)) return value.map(inside);
    return typeof value === 'string' && value.startsWith('OpaqueRef:') && value !== none
      ? idOf(value)
      : value;
  };
  const objects: Fields[] = [];
  const add = (kind: string, other: string) => {
    const entries = Object.entries(database.get(kind, other)).map(([key, value]) => [key, inside(value)]);
    objects.push({ class: kind, id: idOf(other), snapshot: Object.fromEntries(entries) });
  };
  add('VM', ref);
  const disks: string[] = [];
  for (const vbd of vm.VBDs) {
    add('VBD', vbd);
    const { VDI: vdi, type, empty } = database.get('VBD', vbd);
    if (empty || type !== 'Disk') continue;
    add('VDI', vdi);
    disks.push(vdi);
  }
  for (const sr of new Set(disks.map((vdi) => database.get('VDI', vdi).SR))) add('SR', sr);
  for (const vif of vm.VIFs) add('VIF', vif);
  for (const network of new Set<string>(vm.VIFs.map((vif: string) => database.get('VIF', vif).network)))
    add('network', network);
  const parts = [member('ova.xml', Buffer.from(xmlOf({ version: { export_vsn: '2' }, objects })))];
  const { h64Raw } = await xxhash();
  for (const vdi of disks) {
    const bytes = database.bytes.get(vdi)!;
    const last = Math.ceil(bytes.length / blockBytes) - 1;
    for (let i = 0; i <= last; i++) {
      const block = bytes.subarray(i * blockBytes, (i + 1) * blockBytes);
      if (i > 0 && i < last && block.every((byte) => byte === 0)) continue;
      const name = `${idOf(vdi)}/${String(i).padStart(8, '0')}`;
      const sum = old
        ? createHash('sha1').update(block).digest('hex')
        : h64Raw(block).toString(16).padStart(16, '0').toUpperCase();
      parts.push(member(name, block), member(`${name}.${old ? 'checksum' : 'xxhash'}`, Buffer.from(sum)));
    }
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * sector)]);
}

function member(name: string, bytes: Buffer): Buffer {
  const whole = Buffer.alloc(sector + padded(bytes.length));
  whole.write(name, 0);
  whole.write('0000640\0', 100);
  whole.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  whole.write('00000000000\0', 136);
  whole.write('        ', 148);
  whole.write('0', 156);
  const sum = whole.subarray(0, sector).reduce((total, byte) => total + byte, 0);
  whole.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  bytes.copy(whole, sector);
  return whole;
}

function xmlOf(value: Value): string {
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (typeof value === 'number') return `<value><double>${value}</double></value>`;
  if (typeof value === 'string')
    return `<value>${value.replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`)}</value>`;
  if (Array.isArray(value)) return `<value><array><data>${value.map(xmlOf).join('')}</data></array></value>`;
  const members = Object.entries(value).map(
    ([name, one]) => `<member><name>${name}</name>${xmlOf(one)}</member>`,
  );
  return `<value><struct>${members.join('')}</struct></value>`;
}

/** Takes an archive apart as it comes, and makes what it describes. */
export class Import {
  readonly #database: Database;
  readonly #sr: string;
  #have = Buffer.alloc(0);
  #block: { readonly name: string; readonly bytes: Buffer } | undefined;
  /** Disks that still come, by their directories, in the order of their names. */
  #expected: { readonly directory: string; readonly vdi: string; readonly last: number }[] = [];
  #made: string[] = [];
  vm: string | undefined;

  constructor(database: Database, sr: string) {
    this.#database = database;
    this.#sr = sr;
    database.get('SR', sr);
  }

  /** True when the last block and its checksum are there: the product asks for no more. */
  async take(part: Buffer): Promise<boolean> {
    this.#have = Buffer.concat([this.#have, part]);
    while (this.#have.length >= sector) {
      const header = this.#have.subarray(0, sector);
      if (header[0] === 0) throw new Failure('IMPORT_ERROR_PREMATURE_EOF');
      const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
      if (this.#have.length < sector + padded(size)) return false;
      const name = header.toString('latin1', 0, header.indexOf(0));
      const bytes = this.#have.subarray(sector, sector + size);
      this.#have = this.#have.subarray(sector + padded(size));
      if (await this.#member(name, bytes)) return true;
    }
    return false;
  }

  undo(): void {
    if (this.vm !== undefined && this.#database.of('VM').has(this.vm)) this.#database.destroyVm(this.vm);
    for (const vdi of this.#made) if (this.#database.of('VDI').has(vdi)) this.#database.destroyVdi(vdi);
  }

  async #member(name: string, bytes: Buffer): Promise<boolean> {
    if (this.vm === undefined) {
      if (name !== 'ova.xml') throw new Failure('IMPORT_ERROR_UNEXPECTED_FILE', 'ova.xml', name);
      this.#describe(new XmlRpc(bytes.toString()).value());
      return false;
    }
    const [disk] = this.#expected;
    if (this.#block === undefined) {
      if (!name.startsWith(`${disk!.directory}/`))
        throw new Failure('IMPORT_ERROR_UNEXPECTED_FILE', disk!.directory, name);
      this.#block = { name, bytes: Buffer.from(bytes) };
      return false;
    }
    const { h64Raw } = await xxhash();
    const sum = h64Raw(this.#block.bytes).toString(16).padStart(16, '0').toUpperCase();
    if (name !== `${this.#block.name}.xxhash` || bytes.toString() !== sum)
      throw new Failure('IMPORT_ERROR_SOME_CHECKSUMS_FAILED');
    const number = Number(this.#block.name.split('/')[1]);
    this.#block.bytes.copy(this.#database.bytes.get(disk!.vdi)!, number * blockBytes);
    this.#block = undefined;
    if (number === disk!.last) this.#expected.shift();
    return this.#expected.length === 0;
  }

  #describe({ objects }: Fields): void {
    const find = (id: string) => objects.find((one: Fields) => one.id === id)?.snapshot;
    const of = (kind: string): Fields[] => objects.filter((one: Fields) => one.class === kind);
    for (const { id, snapshot } of of('VDI')) {
      if (find(snapshot.SR) === undefined)
        throw new Failure('IMPORT_ERROR_FAILED_TO_FIND_OBJECT', snapshot.SR);
      const { virtual_size, name_label } = snapshot;
      const vdi = this.#database.createVdi({ SR: this.#sr, virtual_size, name_label });
      this.#made.push(vdi);
      const last = Math.ceil(Number(virtual_size) / blockBytes) - 1;
      this.#expected.push({ directory: id, vdi, last });
    }
    this.#expected.sort((a, b) => (a.directory < b.directory ? -1 : 1));
    const disks = new Map(this.#expected.map(({ directory, vdi }) => [directory, vdi]));
    const [{ snapshot: vm }] = of('VM') as [Fields];
    const { uuid: _, VBDs, VIFs: __, ...fields } = vm;
    this.vm = this.#database.createVm({
      ...fields,
      other_config: { ...fields.other_config, mac_seed: 'new' },
    });
    for (const id of VBDs) {
      const { uuid: ___, ...vbd } = find(id);
      this.#database.attach('VBD', { ...vbd, VM: this.vm, VDI: disks.get(vbd.VDI) ?? none });
    }
  }
}

/** Just what is in an export: no attributes, no comments. */
class XmlRpc {
  readonly #tokens: string[];
  #at = 0;

  constructor(xml: string) {
    this.#tokens = xml.replace(/<\?.*?\?>/, '').match(/<[^>]+>|[^<]+/g) ?? [];
  }

  value(): Value {
    this.#skipSpace();
    this.#expect('<value>');
    const value = this.#content();
    this.#expect('</value>');
    return value;
  }

  #content(): Value {
    const next = this.#tokens[this.#at]!;
    if (!next.startsWith('<')) return plain(this.#tokens[this.#at++]!);
    if (next === '</value>') return '';
    this.#at++;
    if (next === '<nil/>') return null;
    const value =
      next === '<struct>' ? this.#struct() : next === '<array>' ? this.#array() : this.#scalar(next);
    this.#expect(`</${next.slice(1)}`);
    return value;
  }

  #struct(): Fields {
    const out: Fields = {};
    while (this.#tokens[this.#at] === '<member>') {
      this.#at++;
      this.#expect('<name>');
      const name = plain(this.#tokens[this.#at++]!);
      this.#expect('</name>');
      out[name] = this.value();
      this.#expect('</member>');
    }
    return out;
  }

  #array(): Value[] {
    const out: Value[] = [];
    this.#expect('<data>');
    while (this.#tokens[this.#at] === '<value>') out.push(this.value());
    this.#expect('</data>');
    return out;
  }

  #scalar(tag: string): Value {
    const text = this.#tokens[this.#at]!.startsWith('<') ? '' : plain(this.#tokens[this.#at++]!);
    return tag === '<boolean>' ? text === '1' : tag === '<double>' ? Number(text) : text;
  }

  #skipSpace(): void {
    while (/^\s+$/.test(this.#tokens[this.#at] ?? '')) this.#at++;
  }

  #expect(token: string): void {
    const found = this.#tokens[this.#at++];
    if (found !== token) throw new Failure('INTERNAL_ERROR', `XML: ${found} where ${token} was expected`);
  }
}

const entities: Fields = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const plain = (text: string): string =>
  text.replace(/&(#x?)?(\w+);/g, (_, mark, name) => {
    if (mark === undefined) return entities[name];
    return String.fromCodePoint(Number.parseInt(name, mark === '#x' ? 16 : 10));
  });
