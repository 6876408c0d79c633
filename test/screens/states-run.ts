/** Made-up states of the Image, Configuration and Run screens. */
import type { GuestReport } from '../../src/model/guest-report.ts';
import type { ImageInfo } from '../../src/model/image-info.ts';
import type { OptionSpec } from '../../src/model/options.ts';
import { GiB, KiB, MiB } from '../../src/model/units.ts';
import type { LiveRun, MachineItem, Run, RunItem, State } from '../../src/state/state.ts';
import { base, catalog, findings, item, machine, machines, noon, plan, run } from './states.ts';

const baseImage: ImageInfo = {
  format: 'qcow2',
  variant: 'v2',
  details: { cluster_size: 65536 },
  virtualSizeBytes: 20 * GiB,
  files: ['/srv/images/debian-12.qcow2'],
  findings: [],
};

export const layeredImage: ImageInfo = {
  format: 'qcow2',
  variant: 'v3, zlib',
  details: { cluster_size: 65536, lazy_refcounts: true },
  virtualSizeBytes: 20 * GiB,
  files: ['/srv/images/web-frontend.qcow2'],
  parent: baseImage,
  findings: [{ rule: 'qcow2.leaked', severity: 'note', message: '3 clusters are leaked' }],
};

export const report: GuestReport = {
  partitionTable: { kind: 'gpt', sectorSize: 512, bootCode: 'none' },
  partitions: [
    {
      number: 1,
      startBytes: MiB,
      lengthBytes: 512 * MiB,
      type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
      typeName: 'EFI system',
      bootable: false,
      volume: { kind: 'vfat', label: 'EFI', state: 'clean', readable: true },
    },
    {
      number: 2,
      startBytes: 513 * MiB,
      lengthBytes: 19 * GiB,
      type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
      typeName: 'Linux filesystem',
      bootable: false,
      volume: { kind: 'ext4', label: 'root', usedBytes: 3 * GiB, state: 'dirty', readable: true },
    },
  ],
  systems: [],
  firmware: 'uefi',
  efiLoaders: ['EFI/debian/grubx64.efi'],
  findings: [
    { rule: 'fs.dirty', severity: 'warning', message: 'the filesystem was not unmounted', evidence: '#2' },
  ],
  bytesRead: 12 * KiB,
};

export const surveyed: MachineItem = item(machines[0]!, {
  images: { disk0: layeredImage },
  reports: { disk0: report },
});

export const broken: MachineItem = item(
  machine(9, { name: 'old-backup', disks: [{ id: 'disk0', name: 'old-backup.vmdk', files: [] }] }),
  {
    survey: 'failed',
    failure: {
      kind: 'corrupt',
      message: 'the grain directory lies at 0x90000, the file ends at 0x80000',
      where: '/srv/images/old-backup.vmdk',
      hint: 'copy it again; it was cut short',
    },
  },
);

const { system: _, ...bare } = machine(4, {
  name: 'appliance',
  nics: [],
  disks: [{ id: 'disk0', name: 'appliance.img', format: 'raw', files: [] }],
});
export const busy: MachineItem = item(bare, { survey: 'busy' });

export const imageState: State = {
  ...base,
  screen: 'image',
  connection: { status: 'connected', environment: 'local', label: 'This computer' },
  machines: { status: 'done', items: [surveyed, item(machines[1]!), item(machines[2]!), broken, busy] },
};

const subformat: OptionSpec = {
  key: 'subformat',
  label: 'Layout',
  help: 'how the file is arranged',
  kind: 'choice',
  choices: ['monolithicSparse', 'streamOptimized', 'monolithicFlat'],
  default: 'monolithicSparse',
};

export const configState: State = {
  ...imageState,
  screen: 'configuration',
  catalog: {
    ...catalog,
    products: catalog.products.map((p) =>
      p.id === 'vmware' ? { ...p, containers: ['ova', 'ovf', 'disks'] } : p,
    ),
    formats: catalog.formats.map((f) => (f.id === 'vmdk' ? { ...f, options: [subformat] } : f)),
  },
  selected: [machines[0]!.id],
  draft: { ...base.draft, folder: '/srv/out' },
  planned: {
    status: 'ready',
    plans: [plan(machines[0]!)],
    findings,
    text: ['Machine web-frontend, from /srv/images/web-frontend.qcow2', 'into /srv/out'],
    bytes: 1.5 * GiB,
  },
};

export const blockedState: State = {
  ...configState,
  planned: {
    ...configState.planned,
    findings: [
      {
        rule: 'machine.hardware-apart',
        severity: 'note',
        message: 'a plain disk says nothing of the machine',
      },
      ...findings,
      {
        rule: 'destination.exists',
        severity: 'blocker',
        message: 'web-frontend.qcow2 exists already',
        evidence: '/srv/out/web-frontend.qcow2',
        remedy: 'choose another name, or replace it',
      },
    ],
  },
};

export const severalState: State = {
  ...configState,
  selected: machines.map((m) => m.id),
  planned: { ...configState.planned, plans: machines.map((m) => plan(m)) },
};

export const runState: State = { ...configState, screen: 'run', run };

const runItem = (index: number, status: RunItem['status'], disks = 2): RunItem => {
  const of = machine(index);
  const done = status === 'done' ? 1 : status === 'running' ? 0.4 : 0;
  return {
    title: `${of.name} to qcow2`,
    destination: '/srv/out',
    plan: plan(of),
    status,
    step: status === 'running' ? 'copying the disks' : '',
    disks: Array.from({ length: disks }, (_, d) => ({
      id: `disk${d}`,
      name: `${of.name}-disk${d}.qcow2`,
      bytesDone: done * 4 * GiB,
      bytesTotal: 4 * GiB,
      status: status === 'running' ? (d === 1 ? 'running' : 'done') : status === 'done' ? 'done' : 'waiting',
    })),
    places: status === 'done' ? [`/srv/out/${of.name}.qcow2`] : [],
  };
};

/** Twenty machines, the thirteenth under way. */
export const longRun: Run = {
  ...run,
  items: Array.from({ length: 20 }, (_, i) =>
    runItem(i + 1, i < 12 ? 'done' : i === 12 ? 'running' : 'waiting'),
  ),
};

export const failedRun: Run = {
  ...run,
  status: 'failed',
  endedAt: noon + 60_000,
  items: [
    runItem(1, 'done', 1),
    {
      ...runItem(2, 'failed', 1),
      failure: {
        kind: 'no-space',
        message: 'no space left',
        where: '/srv/out',
        hint: 'free some space, then run it again',
      },
    },
    runItem(3, 'cancelled', 1),
  ],
};

export const liveRuns: readonly LiveRun[] = [
  {
    ...{ id: '20260301-110000-0001', title: 'database', status: 'running', startedAt: noon },
    ...{ bytesDone: 10 * GiB, bytesTotal: 40 * GiB, rate: 300 * MiB, secondsLeft: 102 },
    ...{ limit: 400 * MiB, asks: false, history: ['20260301-110000-0001'] },
  },
  {
    ...{ id: '20260301-110001-0002', title: 'web-frontend, mail', status: 'waiting', startedAt: noon },
    ...{ bytesDone: 0, bytesTotal: 0, rate: 0, waiting: { before: 1 }, asks: false, history: [] },
  },
  {
    ...{ id: '20260301-110002-0003', title: 'archive', status: 'running', startedAt: noon },
    ...{ bytesDone: 0, bytesTotal: 0, rate: 0, asks: true, history: [] },
  },
];
export const liveState: State = { ...base, screen: 'run', liveRuns };

export const runStates: Readonly<Record<string, State>> = {
  'image-details': imageState,
  'image-empty': { ...imageState, machines: { status: 'done', items: [] } },
  'configuration-blocked': blockedState,
  'configuration-several': severalState,
  'run-none': { ...configState, screen: 'run' },
  'run-many': { ...runState, run: longRun },
  'run-paused': { ...runState, run: { ...longRun, status: 'paused' } },
  'run-cancelling': { ...runState, run: { ...run, status: 'cancelling' } },
  'run-failed': { ...runState, run: failedRun },
  'run-waiting': {
    ...runState,
    run: { ...run, status: 'waiting', waiting: { before: 2 }, limit: 20 * MiB, away: liveRuns[1]!.id },
  },
  'run-live': liveState,
};
