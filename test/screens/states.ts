/** Made-up states: for tests of screens and for `npm run screen <name>`. ASCII only, but for `odd`. */
import type { Finding } from '../../src/model/finding.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Plan } from '../../src/model/plan.ts';
import { GiB, MiB } from '../../src/model/units.ts';
import { initialState } from '../../src/state/reduce.ts';
import type {
  Catalog,
  HistoryEntry,
  HistorySummary,
  MachineItem,
  Profile,
  Run,
  State,
} from '../../src/state/state.ts';

/** 2026-03-01 12:00 UTC. */
export const noon = Date.UTC(2026, 2, 1, 12);

export const catalog: Catalog = {
  environments: [
    {
      id: 'local',
      label: 'This computer',
      summary: 'disk images, OVF and OVA in folders here; needs no credentials',
      roles: ['source', 'destination'],
      fields: [
        {
          key: 'folders',
          label: 'Folders',
          help: 'where to look, separated by ":"',
          kind: 'folders',
          required: false,
        },
        {
          key: 'follow',
          label: 'Follow names',
          help: 'trust names that lead outside',
          kind: 'boolean',
          required: false,
          default: 'no',
        },
      ],
    },
    {
      id: 'vsphere',
      label: 'VMware vSphere',
      summary: 'machines of a vCenter or an ESXi host, exported while they are off',
      roles: ['source', 'destination'],
      fields: [
        { key: 'host', label: 'Host', help: 'name or address of the vCenter', kind: 'text', required: true },
        { key: 'port', label: 'Port', help: 'mostly 443', kind: 'number', required: false, default: '443' },
        {
          key: 'user',
          label: 'User',
          help: 'such as administrator@vsphere.local',
          kind: 'text',
          required: true,
        },
        {
          key: 'password',
          label: 'Password',
          help: 'kept in the secret store alone',
          kind: 'secret',
          required: true,
        },
        {
          key: 'tls',
          label: 'Certificate',
          help: 'how the host is trusted',
          kind: 'choice',
          required: false,
          choices: ['verify', 'pin', 'any'],
          default: 'verify',
        },
      ],
    },
  ],
  products: [
    {
      id: 'qemu',
      label: 'QEMU / KVM',
      summary: 'libvirt, virt-manager, Proxmox',
      containers: ['disks'],
      formats: ['qcow2', 'raw'],
    },
    {
      id: 'virtualbox',
      label: 'VirtualBox',
      summary: 'imports an OVA',
      containers: ['ova', 'disks'],
      formats: ['vmdk', 'vhd'],
    },
    {
      id: 'vmware',
      label: 'VMware',
      summary: 'Workstation, ESXi',
      containers: ['ovf', 'ova', 'disks'],
      formats: ['vmdk'],
    },
  ],
  formats: [
    {
      id: 'qcow2',
      label: 'qcow2',
      extension: 'qcow2',
      options: [
        {
          key: 'cluster_size',
          label: 'Cluster size',
          help: 'the unit of allocation',
          kind: 'bytes',
          min: 512,
          max: 2 * MiB,
          default: 65536,
        },
        {
          key: 'compression',
          label: 'Compression',
          help: 'of each cluster',
          kind: 'choice',
          choices: ['none', 'zlib', 'zstd'],
          default: 'none',
        },
      ],
    },
    { id: 'raw', label: 'raw', extension: 'img', options: [] },
    { id: 'vmdk', label: 'VMDK', extension: 'vmdk', options: [] },
  ],
  sample: '/opt/vmferry/samples/sample.ova',
};

export const profiles: readonly Profile[] = [
  {
    id: 'p1',
    name: 'lab vCenter',
    environment: 'vsphere',
    settings: { host: 'vcenter.lab.example', user: 'operator', port: '443', tls: 'verify' },
    secretFields: ['password'],
  },
  { id: 'p2', name: 'images', environment: 'local', settings: { folders: '/srv/images' }, secretFields: [] },
];

export function machine(index: number, change: Partial<Machine> = {}): Machine {
  const name = change.name ?? `machine-${String(index).padStart(3, '0')}`;
  return {
    id: `/srv/images/${name}.qcow2`,
    name,
    state: 'off',
    system: {
      name: 'Debian GNU/Linux 12 (bookworm)',
      family: 'linux',
      version: '12',
      architecture: 'x86_64',
    },
    processors: { count: 2 },
    memoryBytes: 2 * GiB,
    firmware: { kind: 'bios' },
    disks: [
      {
        id: 'disk0',
        name: `${name}.qcow2`,
        format: 'qcow2',
        virtualSizeBytes: 20 * GiB,
        allocatedSizeBytes: 1.5 * GiB,
        bus: 'virtio',
        files: [`/srv/images/${name}.qcow2`],
        bootable: true,
      },
    ],
    nics: [{ mac: '52:54:00:12:34:56', network: 'default', model: 'virtio', connected: true }],
    packaging: 'disk image',
    findings: [],
    ...change,
  };
}

export const item = (of: Machine, change: Partial<MachineItem> = {}): MachineItem => ({
  machine: of,
  survey: 'done',
  images: {},
  reports: {},
  ...change,
});

export function plan(of: Machine, folder = '/srv/out'): Plan {
  return {
    version: 1,
    source: { environment: 'local', settings: {}, machine: of.id, follow: false },
    machine: of,
    destination: {
      environment: 'local',
      settings: { folder },
      product: 'qemu',
      container: 'disks',
      format: 'qcow2',
      options: { cluster_size: 65536, compression: 'none' },
    },
    force: false,
    sync: false,
  };
}

export const findings: readonly Finding[] = [
  {
    rule: 'disk.size-not-representable',
    severity: 'warning',
    message: 'VHD rounds the size up by 512 bytes',
    evidence: 'machine-001.qcow2',
    remedy: 'choose VHDX or raw',
  },
  { rule: 'nic.model', severity: 'note', message: 'the adapter becomes virtio' },
];

const twoDisks = machine(2, {
  name: 'database',
  disks: [
    ...machine(2, { name: 'database' }).disks,
    {
      id: 'disk1',
      name: 'database-data.qcow2',
      format: 'qcow2',
      virtualSizeBytes: 100 * GiB,
      allocatedSizeBytes: 40 * GiB,
      files: ['/srv/images/database-data.qcow2'],
    },
  ],
});

export const machines: readonly Machine[] = [
  machine(1, { name: 'web-frontend' }),
  twoDisks,
  machine(3, {
    name: 'win2019',
    system: { name: 'Windows Server 2019', family: 'windows' },
    firmware: { kind: 'uefi', secureBoot: true },
    packaging: 'OVA',
  }),
];

export const run: Run = {
  id: 'r1',
  status: 'running',
  items: [
    {
      title: 'database',
      destination: '/srv/out',
      plan: plan(twoDisks),
      status: 'running',
      step: 'copying the disks',
      disks: [
        { id: 'disk0', name: 'database.qcow2', bytesDone: 1.5 * GiB, bytesTotal: 1.5 * GiB, status: 'done' },
        {
          id: 'disk1',
          name: 'database-data.qcow2',
          bytesDone: 10 * GiB,
          bytesTotal: 40 * GiB,
          status: 'running',
        },
      ],
      places: [],
    },
  ],
  startedAt: noon,
  bytesDone: 11.5 * GiB,
  bytesTotal: 41.5 * GiB,
  rate: 300 * MiB,
  secondsLeft: 102,
  log: [
    { at: noon, level: 'info', text: 'the plan was checked: no blocker' },
    { at: noon + 1000, level: 'info', text: 'database.qcow2 is being read' },
    { at: noon + 6000, level: 'warning', text: 'the image has 3 leaked clusters' },
  ],
};

export const history: readonly HistorySummary[] = [
  {
    id: 'h2',
    startedAt: noon,
    endedAt: noon + 95_000,
    outcome: 'done',
    title: 'web-frontend to qcow2',
    bytes: 12 * GiB,
    seconds: 95,
    places: ['/srv/out/web-frontend.qcow2'],
  },
  {
    id: 'h1',
    startedAt: noon - 86_400_000,
    endedAt: noon - 86_400_000 + 12_000,
    outcome: 'failed',
    title: 'win2019 to OVA',
    bytes: 1 * GiB,
    seconds: 12,
    places: [],
  },
];

/** What a journal holds that tells nothing but its end. */
export const noRecord = {
  log: [],
  findings: [],
  changes: [],
  disks: [],
  passes: [],
  points: [],
  digests: [],
  leftovers: [],
  logLeftOut: 0,
  other: [],
  planText: [],
  journal: { truncated: false, damagedLines: 0, passedOver: {} },
} as const;

export const historyEntry: HistoryEntry = {
  ...history[1]!,
  ...noRecord,
  plan: plan(machines[2]!),
  failure: {
    kind: 'no-space',
    message: 'no space left',
    where: '/srv/out',
    hint: 'free some space, then run it again',
  },
  log: [{ at: noon, level: 'error', text: 'no space left' }],
};

export const base: State = {
  ...initialState,
  catalog,
  profiles,
  secretStore: {
    kind: 'vault',
    description: 'an encrypted file, /home/op/.config/vmferry/vault.json',
    status: 'ready',
    choice: 'auto',
    tried: ['the system keychain: no secret service is running'],
  },
};

const connected: State = {
  ...base,
  connection: { status: 'connected', environment: 'local', label: 'This computer' },
  machines: { status: 'done', items: machines.map((m) => item(m)) },
};
const configured: State = {
  ...connected,
  selected: [twoDisks.id],
  draft: { ...base.draft, folder: '/srv/out' },
  planned: {
    status: 'ready',
    plans: [plan(twoDisks)],
    findings,
    text: ['read database (2 disks, 120 GiB, 41.5 GiB of data)', 'write qcow2 into /srv/out for QEMU / KVM'],
    bytes: 41.5 * GiB,
  },
};

const place = { environment: 'vsphere', profile: 'p1', label: 'lab vCenter' } as const;
const delivering: State = {
  ...configured,
  destination: {
    ...place,
    status: 'connected',
    settings: profiles[0]!.settings,
    product: 'vmware',
    formats: ['vmdk'],
    fields: [
      {
        key: 'datastore',
        label: 'Datastore',
        help: 'where the disks go',
        kind: 'choice',
        required: true,
        choices: ['ssd1', 'ssd2'],
        default: 'ssd1',
      },
      { key: 'folder', label: 'Folder', help: 'of the inventory', kind: 'text', required: false },
    ],
    networks: ['VM Network', 'DMZ'],
  },
};
const place2: Plan = {
  ...plan(twoDisks),
  destination: { ...plan(twoDisks).destination, environment: 'vsphere', profile: 'p1' },
};

/** By the name that `npm run screen` takes. */
export const states: Readonly<Record<string, State>> = {
  credentials: { ...base, screen: 'credentials' },
  'credentials-locked': {
    ...base,
    screen: 'credentials',
    secretStore: { ...base.secretStore!, status: 'locked' },
    profileTest: { profile: 'p1', status: 'failed', text: 'the vault is locked' },
  },
  environment: { ...base, screen: 'environment', profile: 'p1' },
  connecting: {
    ...base,
    screen: 'environment',
    connection: {
      status: 'connecting',
      environment: 'vsphere',
      profile: 'p1',
      step: 'signing in at vcenter.lab.example',
    },
  },
  'connect-failed': {
    ...base,
    screen: 'environment',
    connection: {
      status: 'failed',
      environment: 'vsphere',
      profile: 'p1',
      failure: {
        kind: 'unreachable',
        message: 'no answer within 10 s',
        where: 'vcenter.lab.example:443',
        hint: 'check the name and the firewall',
      },
    },
  },
  question: {
    ...base,
    screen: 'environment',
    connection: { status: 'connecting', environment: 'vsphere', step: 'checking the certificate' },
    question: {
      id: 7,
      from: 'VMware vSphere, vcenter.lab.example',
      text: 'The host vcenter.lab.example is not known. Its certificate has the fingerprint\n12:34:56:78:9a:bc:de:f0. Trust it?',
    },
  },
  'question-code': {
    ...base,
    screen: 'environment',
    connection: { status: 'connecting', environment: 'vsphere', step: 'signing in' },
    question: {
      id: 8,
      from: 'VMware vSphere, vcenter.lab.example',
      text: 'Two-factor authentication is on. Verification code:',
      entry: 'hidden',
    },
  },
  image: { ...connected, screen: 'image' },
  'image-many': {
    ...connected,
    screen: 'image',
    machines: { status: 'listing', items: Array.from({ length: 2000 }, (_, i) => item(machine(i + 1))) },
  },
  configuration: { ...configured, screen: 'configuration' },
  destination: { ...delivering, screen: 'configuration' },
  'destination-connecting': {
    ...configured,
    screen: 'configuration',
    destination: { ...place, status: 'connecting', step: 'signing in at vcenter.lab.example' },
  },
  'destination-failed': {
    ...configured,
    screen: 'configuration',
    destination: {
      ...place,
      status: 'failed',
      failure: {
        kind: 'unreachable',
        message: 'no answer within 10 s',
        where: 'vcenter.lab.example:443',
        hint: 'check the name and the firewall',
      },
    },
  },
  'run-delivered': {
    ...delivering,
    screen: 'run',
    run: {
      ...run,
      status: 'done',
      endedAt: noon + 140_000,
      items: run.items.map((i) => ({
        ...i,
        plan: place2,
        destination: 'lab vCenter',
        status: 'done',
        places: ['/lab/vm/database'],
        started: 'running',
      })),
    },
  },
  run: { ...configured, screen: 'run', run },
  'run-done': {
    ...configured,
    screen: 'run',
    run: {
      ...run,
      status: 'done',
      endedAt: noon + 140_000,
      bytesDone: run.bytesTotal,
      items: run.items.map((i) => ({
        ...i,
        status: 'done',
        step: 'done',
        disks: i.disks.map((d) => ({ ...d, bytesDone: d.bytesTotal, status: 'done' })),
        places: ['/srv/out/database.qcow2', '/srv/out/database-data.qcow2'],
      })),
    },
  },
  history: { ...base, screen: 'history', history },
  'history-entry': { ...base, screen: 'history', history, historyEntry },
  notice: {
    ...base,
    notice: {
      level: 'error',
      text: 'preferences.json is not JSON at line 3; it was left as it is, defaults are used',
    },
  },
  terminating: { ...configured, screen: 'run', run: { ...run, status: 'cancelling' }, terminating: true },
  odd: {
    ...connected,
    screen: 'image',
    machines: {
      status: 'done',
      items: [
        item(machine(1, { name: 'Größe-漢字-テスト' })),
        item(machine(2, { name: 'evil\u001b[2J\nname\u202egpj' })),
        item(machine(3, { name: `long-${'x'.repeat(300)}-end` })),
      ],
    },
  },
};
