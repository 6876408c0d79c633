/** The objects of the fake pool, and what its calls do to them. See `xapi.ts`. */
import { randomUUID } from 'node:crypto';

// biome-ignore lint/suspicious/noExplicitAny: records of an API that is typed elsewhere
export type Value = any;
export type Fields = Record<string, Value>;

export const none = 'OpaqueRef:NULL';
const step = 2 * 1024 * 1024;

export class Failure extends Error {
  readonly code: string;
  readonly details: readonly string[];
  constructor(code: string, ...details: string[]) {
    super(code);
    this.code = code;
    this.details = details;
  }
}

const known = [
  'VM',
  'VBD',
  'VDI',
  'VIF',
  'network',
  'SR',
  'PBD',
  'host',
  'pool',
  'task',
  'VM_guest_metrics',
  'VTPM',
];

/** Every record of a class has the same fields: clients count on it. */
const usualVm: Fields = {
  name_description: '',
  is_a_template: false,
  memory_dynamic_max: '0',
  VCPUs_at_startup: '1',
  HVM_boot_policy: '',
  HVM_boot_params: {},
  other_config: {},
  NVRAM: {},
  snapshot_time: '19700101T00:00:00Z',
};

export class Database {
  readonly classes = new Map<string, Map<string, Fields>>(known.map((name) => [name, new Map()]));
  /** The bytes of each VDI. */
  readonly bytes = new Map<string, Buffer>();

  of(name: string): Map<string, Fields> {
    const found = this.classes.get(name);
    if (found === undefined) throw new Failure('MESSAGE_METHOD_UNKNOWN', `${name}.get_all_records`);
    return found;
  }

  get(name: string, ref: string): Fields {
    const found = this.of(name).get(ref);
    if (found === undefined) throw new Failure('HANDLE_INVALID', name, ref);
    return found;
  }

  make(name: string, fields: Fields): string {
    const ref = `OpaqueRef:${randomUUID()}`;
    this.of(name).set(ref, { uuid: randomUUID(), ...fields });
    return ref;
  }

  vdi(sr: string, name: string, content: Buffer, more: Fields = {}): string {
    const ref = this.make('VDI', {
      name_label: name,
      name_description: '',
      SR: sr,
      VBDs: [],
      virtual_size: String(content.length),
      physical_utilisation: String(content.length),
      type: 'user',
      is_a_snapshot: false,
      cbt_enabled: false,
      sharable: false,
      read_only: false,
      managed: true,
      other_config: {},
      sm_config: {},
      ...more,
    });
    this.bytes.set(ref, content);
    return ref;
  }

  createVdi({ SR, name_label, virtual_size, ...more }: Fields): string {
    this.get('SR', SR);
    if (typeof virtual_size !== 'string') throw new Failure('FIELD_TYPE_ERROR', 'virtual_size');
    const size = Math.ceil(Number(virtual_size) / step) * step;
    return this.vdi(SR, name_label, Buffer.alloc(size), { ...more, virtual_size: String(size) });
  }

  destroyVdi(ref: string): void {
    const { VBDs } = this.get('VDI', ref);
    for (const vbd of VBDs) {
      if (this.of('VBD').get(vbd)?.currently_attached) throw new Failure('VDI_IN_USE', ref, 'destroy');
      this.of('VBD').delete(vbd);
    }
    this.of('VDI').delete(ref);
    this.bytes.delete(ref);
  }

  /** The bytes are kept to tell what changed since; nobody can read them any more. */
  destroyData(ref: string): void {
    const disk = this.get('VDI', ref);
    if (!disk.cbt_enabled) throw new Failure('VDI_NO_CBT_METADATA', ref);
    disk.type = 'cbt_metadata';
    for (const vbd of disk.VBDs) this.of('VBD').delete(vbd);
    disk.VBDs = [];
  }

  changedBlocks(from: string, to: string): string {
    const [before, after] = [from, to].map((ref) => {
      if (!this.get('VDI', ref).cbt_enabled) throw new Failure('VDI_NO_CBT_METADATA', ref);
      return this.bytes.get(ref)!;
    }) as [Buffer, Buffer];
    const unit = 65_536;
    const bitmap = Buffer.alloc(Math.ceil(after.length / unit / 8));
    for (let i = 0; i * unit < after.length; i++) {
      const [from, end] = [i * unit, (i + 1) * unit];
      if (!before.subarray(from, end).equals(after.subarray(from, end))) bitmap[i >> 3]! |= 0x80 >> (i & 7);
    }
    return bitmap.toString('base64');
  }

  createVm(fields: Fields): string {
    for (const field of [
      'name_label',
      'memory_static_max',
      'VCPUs_max',
      'actions_after_crash',
      'PV_args',
      'platform',
    ])
      if (fields[field] === undefined) throw new Failure('FIELD_TYPE_ERROR', field);
    const fresh = {
      is_control_domain: false,
      is_a_snapshot: false,
      snapshot_of: none,
      snapshots: [],
      parent: none,
    };
    const runtime = {
      power_state: 'Halted',
      resident_on: none,
      guest_metrics: none,
      VBDs: [],
      VIFs: [],
      VTPMs: [],
    };
    return this.make('VM', { ...usualVm, ...fields, ...fresh, ...runtime });
  }

  attach(kind: 'VBD' | 'VIF', fields: Fields): string {
    const vm = this.get('VM', fields.VM);
    if (kind === 'VBD' && !fields.empty) this.get('VDI', fields.VDI);
    if (kind === 'VIF') this.get('network', fields.network);
    const isTaken = (ref: string) => this.get('VBD', ref).userdevice === fields.userdevice;
    if (kind === 'VBD' && vm.VBDs.some(isTaken))
      throw new Failure('DEVICE_ALREADY_EXISTS', fields.userdevice);
    const MAC = kind === 'VIF' ? { MAC: fields.MAC || '02:00:00:00:00:01' } : {};
    const ref = this.make(kind, { ...fields, ...MAC, currently_attached: vm.power_state === 'Running' });
    vm[`${kind}s`] = [...vm[`${kind}s`], ref];
    if (kind === 'VBD' && !fields.empty) this.get('VDI', fields.VDI).VBDs.push(ref);
    return ref;
  }

  /** The disks stay, as at the product. */
  destroyVm(ref: string): void {
    const vm = this.get('VM', ref);
    if (vm.power_state === 'Running') throw new Failure('VM_BAD_POWER_STATE', ref, 'halted', 'running');
    for (const vbd of vm.VBDs) {
      const disk = this.of('VDI').get(this.of('VBD').get(vbd)?.VDI);
      if (disk !== undefined) disk.VBDs = disk.VBDs.filter((other: string) => other !== vbd);
      this.of('VBD').delete(vbd);
    }
    for (const vif of vm.VIFs) this.of('VIF').delete(vif);
    const origin = this.of('VM').get(vm.snapshot_of);
    if (origin !== undefined) origin.snapshots = origin.snapshots.filter((other: string) => other !== ref);
    this.of('VM').delete(ref);
  }

  snapshot(ref: string, name: string): string {
    const vm = this.get('VM', ref);
    const made = this.make('VM', {
      ...vm,
      uuid: randomUUID(),
      name_label: name,
      name_description: '',
      is_a_template: true,
      is_a_snapshot: true,
      snapshot_of: ref,
      snapshots: [],
      snapshot_time: '20260102T03:04:05Z',
      power_state: 'Halted',
      VBDs: [],
      VIFs: [],
    });
    for (const old of vm.VBDs) {
      const vbd = this.get('VBD', old);
      if (vbd.type !== 'Disk') continue;
      const disk = this.get('VDI', vbd.VDI);
      const copy = this.vdi(disk.SR, disk.name_label, Buffer.from(this.bytes.get(vbd.VDI)!), {
        cbt_enabled: disk.cbt_enabled,
        is_a_snapshot: true,
        snapshot_of: vbd.VDI,
      });
      this.attach('VBD', { ...vbd, uuid: randomUUID(), VM: made, VDI: copy });
    }
    vm.snapshots = [...vm.snapshots, made];
    return made;
  }

  /** What no test asks for by another name: fields of records, read and set. */
  field(name: string, verb: string, ref: string, value?: Value): Value {
    const [, action, key] = /^(get|set)_(\w+)$/.exec(verb) ?? [];
    if (key === undefined) throw new Failure('MESSAGE_METHOD_UNKNOWN', `${name}.${verb}`);
    const record = this.get(name, ref);
    if (!(key in record)) throw new Failure('MESSAGE_METHOD_UNKNOWN', `${name}.${verb}`);
    if (action === 'get') return record[key];
    record[key] = value;
    return '';
  }
}
